import { expect, test } from "bun:test";
import fc from "fast-check";
import { hashToken, isTokenText, makeTokenText, maskToken, tokenHint } from "./secret.ts";

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

test("a token is sk-wt-, 43 and 6 characters of base64url, and made of 32 random bytes", () => {
  const asked: number[] = [];
  const text = makeTokenText((bytes) => {
    asked.push(bytes);
    return new Uint8Array(bytes);
  });
  expect(asked).toEqual([32]);
  expect(text).toMatch(/^sk-wt-A{43}[A-Za-z0-9_-]{6}$/);
  expect(isTokenText(text)).toBe(true);
  expect(makeTokenText(random)).not.toBe(makeTokenText(random));
});

test("any one changed character is a typo", () => {
  const text = makeTokenText(random);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom(..."abcXYZ019-_ é"), (at, char) => {
      fc.pre(text[at] !== char);
      expect(isTokenText(text.slice(0, at) + char + text.slice(at + 1))).toBe(false);
    }),
  );
});

test.each(["", "sk-wt-", "sk-abc", `sk-wt-${"a".repeat(49)}`, `sk-wt-${"a".repeat(200)}`])(
  "%p is no token",
  (text) => {
    expect(isTokenText(text)).toBe(false);
  },
);

test("the hash is SHA-256 in lower-case hex, the mask shows the last four characters", () => {
  expect(hashToken("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const text = makeTokenText(random);
  expect(maskToken(tokenHint(text))).toBe(`sk-wt-…${text.slice(-4)}`);
});
