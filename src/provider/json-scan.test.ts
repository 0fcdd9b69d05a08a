import { expect, test } from "bun:test";
import fc from "fast-check";
import { fieldsMax, listJsonFields, scalarBytesMax } from "./json-scan.ts";

function list(text: string | Uint8Array) {
  const work = listJsonFields(typeof text === "string" ? new TextEncoder().encode(text) : text);
  let step = work.next();
  let slices = 1;
  for (; !step.done; slices++) step = work.next();
  return { listed: step.value, slices };
}

const refused = { ok: false, error: "not_an_object" } as const;

test("fields are listed in order, doubles included, strings as content and other scalars as their text", () => {
  const text =
    ' {"model" : "gpt-\\u0034","n":12345678901234567890, "model":"x", "a":[{"model":"no"}],"b":null } ';
  expect(list(text).listed).toEqual({
    ok: true,
    value: [
      { name: "model", scalar: "gpt-4" },
      { name: "n", scalar: "12345678901234567890" },
      { name: "model", scalar: "x" },
      { name: "a", scalar: undefined },
      { name: "b", scalar: "null" },
    ],
  });
});

test("a byte order mark is passed over, as providers do", () => {
  expect(list('\ufeff{"a":1}').listed.ok).toBe(true);
});

test.each([
  "",
  "[]",
  "1",
  '"x"',
  "null",
  '{"a":1',
  '{"a":1}x',
  "{'a':1}",
  '{"a":1}{}',
  '{"a',
  '{"a":"\\',
  '{"a":"\\u00',
])("%p is refused", (text) => {
  expect(list(text).listed).toEqual(refused);
});

test("for any object, names and scalars are those of the parsed one, whatever the spacing", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 2, "\t"), (object, indent) => {
      const { listed } = list(JSON.stringify(object, null, indent));
      if (!listed.ok) throw new Error("refused");
      const parsed = JSON.parse(JSON.stringify(object)) as Record<string, unknown>;
      const expected = Object.entries(parsed).map(([name, value]) => ({
        name,
        scalar:
          typeof value === "string"
            ? value
            : typeof value === "object" && value !== null
              ? undefined
              : JSON.stringify(value),
      }));
      expect(listed.value).toEqual(expected);
    }),
  );
});

test("what is no JSON to JSON.parse is none here, and the other way round", () => {
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    '"',
    "\\",
    ":",
    ",",
    "a",
    "u",
    "00e9",
    "-",
    "0",
    "17",
    ".",
    "e",
    "E+",
    "true",
    "null",
    "false",
    " ",
    "\n",
    "\u0001",
    '"a":',
    '"b"',
    "é",
  ];
  const inner = fc.array(fc.constantFrom(...pieces), { maxLength: 9 }).map((parts) => parts.join(""));
  const mutated = fc
    .tuple(
      fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
      fc.nat(),
      fc.nat(2),
      fc.constantFrom(...pieces),
    )
    .map(([object, place, cut, piece]) => {
      const text = JSON.stringify(object);
      const at = place % (text.length + 1);
      return text.slice(0, at) + piece + text.slice(at + cut);
    });
  const texts = fc.oneof(
    inner.map((text) => `{"a":${text}}`),
    inner.map((text) => `{${text}`),
    mutated,
  );
  fc.assert(
    fc.property(texts, (text) => {
      let isObject = false;
      try {
        const parsed: unknown = JSON.parse(text);
        isObject = typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
      } catch {}
      expect([text, list(text).listed.ok]).toEqual([text, isObject]);
    }),
    { numRuns: 3_000 },
  );
});

test("JSN-104 a large text is read in slices, wherever these cut it", () => {
  const long = "\\u00e9\\\\é".repeat(150_000);
  const text = `{"model":"m","s":"${long}","n":[${"1.5e3,true,".repeat(60_000)}null],"stream":true}`;
  const { listed, slices } = list(text);
  expect(slices).toBeGreaterThan(5);
  expect(listed).toEqual({
    ok: true,
    value: [
      { name: "model", scalar: "m" },
      { name: "s", scalar: undefined },
      { name: "n", scalar: undefined },
      { name: "stream", scalar: "true" },
    ],
  });
});

test("more fields, depth or text than any request has is not listed", () => {
  const fields = (count: number) =>
    `{${Array.from({ length: count }, (_, index) => `"f${index}":0`).join(",")}}`;
  expect(list(fields(fieldsMax)).listed.ok).toBe(true);
  expect(list(fields(fieldsMax + 1)).listed).toEqual({ ok: false, error: "too_large" });
  expect(list(`{"a":${"[".repeat(1_001)}`).listed.ok).toBe(false);
  expect(list(`{"a":${"[".repeat(999)}${"]".repeat(999)}}`).listed.ok).toBe(true);
  const scalar = "x".repeat(scalarBytesMax - 2);
  expect(list(`{"a":"${scalar}"}`).listed).toEqual({ ok: true, value: [{ name: "a", scalar }] });
  expect(list(`{"a":"${scalar}x"}`).listed).toEqual({ ok: true, value: [{ name: "a", scalar: undefined }] });
});
