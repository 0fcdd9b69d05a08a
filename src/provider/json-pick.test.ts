import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createJsonPick } from "./json-pick.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What is found in the text when it comes in pieces that are cut at these places. */
function pick(text: string, paths: readonly string[], cuts: readonly number[] = []) {
  const told: unknown[] = [];
  const reader = createJsonPick(paths, { onValue: (path, value) => told.push([path, value]) });
  const bytes = encode(text);
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (const [index, from] of places.slice(0, -1).entries())
    reader.push(bytes.subarray(from, places[index + 1]));
  return { found: Object.fromEntries(reader.found), counted: Object.fromEntries(reader.counted), told };
}

const table: [text: string, paths: string[], found: Record<string, unknown>][] = [
  ['{"model":"m","stream":true,"n":2}', ["model", "stream", "n"], { model: "m", stream: true, n: 2 }],
  ['{"a":{"model":"no"},"model":"yes"}', ["model"], { model: "yes" }],
  ['{"model":"first","model":"last"}', ["model"], { model: "last" }],
  ['{"model":"first","model":null}', ["model"], { model: null }],
  ['{"mod\\u0065l":"escaped \\" \\\\"}', ["model"], { model: 'escaped " \\' }],
  ['{"text":"\\"model\\":\\"no\\"","model":"yes"}', ["model"], { model: "yes" }],
  ['{"Model":"a","model":"b"}', ["model"], { Model: "a", model: "b" }],
  [' \n{ "usage" : { "a" : [1,{"b":2}] } , "x":1}', ["usage"], { usage: { a: [1, { b: 2 }] } }],
  [
    '{"response":{"usage":{"n":1},"output":[{"usage":2}]}}',
    ["response.usage"],
    { "response.usage": { n: 1 } },
  ],
  ['{"r":{"u":1},"r":{}}', ["r.u"], {}],
  ['{"r":{"u":1},"r":5}', ["r.u"], {}],
  ['{"r":[{"u":1}]}', ["r.u"], {}],
  ['[{"model":"in a list"}]', ["model"], {}],
  ['"model"', ["model"], {}],
  ['{"model":', ["model"], {}],
  ['{"model":"cut', ["model"], {}],
  ['{"n":12', ["n"], {}],
  ['{"n":12}', ["n"], { n: 12 }],
  ['{"n":tru}', ["n"], {}],
  ['\ufeff{"n":1}', ["n"], { n: 1 }],
  ["}]}]{}{,,::", ["n"], {}],
  ['{"é":1,"n":"日本🌍"}', ["n", "é"], { é: 1, n: "日本🌍" }],
];

describe("values are found", () => {
  test.each(table)("in %s", (text, paths, found) => {
    expect(pick(text, paths).found).toEqual(found);
  });

  test.each(table)("in %s, whatever the borders", (text, paths, found) => {
    const length = encode(text).length;
    for (let cut = 0; cut <= length; cut++) expect(pick(text, paths, [cut]).found).toEqual(found);
    const each = Array.from({ length }, (_, index) => index);
    expect(pick(text, paths, each).found).toEqual(found);
  });

  test("as JSON.parse finds them, in any JSON in any pieces", () => {
    const paths = ["model", "usage", "a.b"];
    const near: fc.Arbitrary<string> = fc.constantFrom("model", "usage", "a", "b", "Model", '"', "\\", "é");
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.jsonValue(),
        fc.dictionary(near, tie("value"), { maxKeys: 4 }),
        fc.array(tie("value"), { maxLength: 3 }),
      ),
    }));
    fc.assert(
      fc.property(
        fc.dictionary(near, value, { maxKeys: 5 }),
        fc.array(fc.nat(60)),
        fc.boolean(),
        (object, cuts, isSpaced) => {
          const text = JSON.stringify(object, null, isSpaced ? 1 : undefined);
          const within = cuts.map((cut) => cut % (encode(text).length + 1));
          const whole = JSON.parse(text) as Record<string, unknown>;
          const { found } = pick(text, paths, within);
          expect(found["model"]).toEqual(whole["model"]);
          expect(found["usage"]).toEqual(whole["usage"]);
          const below = whole["a"];
          const isObject = typeof below === "object" && below !== null && !Array.isArray(below);
          expect(found["a.b"]).toEqual(isObject ? (below as Record<string, unknown>)["b"] : undefined);
        },
      ),
    );
  });

  test("and nothing is thrown at bytes that are no JSON", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, text) => {
        const reader = createJsonPick(["a", "b.c", "d.*"]);
        for (const piece of [bytes, encode(text), encode(`{"a":${text}`), bytes]) reader.push(piece);
      }),
    );
  });
});

test("each of two values of one name is told", () => {
  const { told } = pick('{"model":"a","MODEL":"b","model":"c"}', ["model"]);
  expect(told).toEqual([
    ["model", "a"],
    ["MODEL", "b"],
    ["model", "c"],
  ]);
});

test("the elements of an array are counted", () => {
  const { counted } = pick('{"data":[{"data":[1,2,3]},"x",3],"other":[1]}', ["data.*"]);
  expect(counted).toEqual({ data: 3 });
});

test("a value that is too long counts as not there", () => {
  const reader = createJsonPick(["a", "b"], { valueBytesMax: 10 });
  for (let piece = 0; piece < 5; piece++) reader.push(encode(piece === 0 ? '{"a":"12345' : "67890"));
  reader.push(encode('","b":"12345678"}'));
  expect(Object.fromEntries(reader.found)).toEqual({ b: "12345678" });
});

test("STR-111 a string of 24 MiB in pieces of 8 KiB is passed over in a moment", () => {
  const reader = createJsonPick(["usage"]);
  const piece = encode("A".repeat(8192));
  const startedMs = performance.now();
  reader.push(encode('{"b64":"'));
  for (let count = 0; count < 3072; count++) reader.push(piece);
  reader.push(encode('","usage":{"n":1}}'));
  expect(performance.now() - startedMs).toBeLessThan(500);
  expect(reader.found.get("usage")).toEqual({ n: 1 });
});
