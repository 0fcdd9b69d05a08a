import { expect, test } from "bun:test";
import fc from "fast-check";
import { listJsonFields } from "./json-scan.ts";

test("fields are listed in order, doubles included, strings as content and other scalars as their text", () => {
  const text =
    ' {"model" : "gpt-\\u0034","n":12345678901234567890, "model":"x", "a":[{"model":"no"}],"b":null } ';
  expect(listJsonFields(text)).toEqual({
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

test.each(["", "[]", "1", '"x"', "null", '{"a":1', '{"a":1}x', "{'a':1}"])("%p is refused", (text) => {
  expect(listJsonFields(text)).toEqual({ ok: false, error: "not_an_object" });
});

test("for any object, names and scalars are those of the parsed one, whatever the spacing", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 2, "\t"), (object, indent) => {
      const listed = listJsonFields(JSON.stringify(object, null, indent));
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
