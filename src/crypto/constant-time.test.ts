import { expect, test } from "bun:test";
import fc from "fast-check";
import { Secret } from "../secret.ts";
import { isSameSecret } from "./constant-time.ts";

test("a text is the secret only when every character of it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (given, expected) => {
      expect(isSameSecret(given, new Secret(expected))).toBe(given === expected);
      expect(isSameSecret(expected, new Secret(expected))).toBe(true);
    }),
  );
});

test("a beginning, an extension and nothing are not the secret (SEC-105)", () => {
  const secret = new Secret("m".repeat(32));
  for (const given of ["", "m", "m".repeat(31), "m".repeat(33), `${"m".repeat(31)}n`, `n${"m".repeat(31)}`])
    expect(isSameSecret(given, secret)).toBe(false);
});
