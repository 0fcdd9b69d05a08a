import { expect, test } from "bun:test";
import fc from "fast-check";
import { redact } from "./redact.ts";

test.each([
  "sk-wt-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop-_1234567890",
  "sk-proj-abcdefgh12345678_-x",
  "sk-ant-api03-abcdefgh",
  "sk-or-v1-0123456789abcdef",
  "AIzaSyA1234567890abcdefghijklmnopqrstuv",
  "gsk_abcdefghijklmnop1234",
  "xai-abcdefghijklmnop1234",
  "hf_abcdefghijklmnop1234",
  "AKIAIOSFODNN7EXAMPLE",
  "enc:v2:AAECAwQFBgcICQoLDA0ODw==",
])("%s is masked wherever it stands", (secret) => {
  for (const text of [
    secret,
    `got ${secret}, sorry`,
    `"${secret}"`,
    `x=${secret};`,
    `(${secret})`,
    `\n${secret}\n`,
  ]) {
    const shown = redact(text);
    expect(shown).not.toContain(secret.slice(4, 12));
    expect(shown).toContain("***");
    expect(shown.replace("***", secret)).toBe(text);
  }
});

test.each([
  ["Authorization: Bearer abc.def-123456", "Authorization: Bearer ***"],
  ["bearer abc.def-123456 was refused", "bearer *** was refused"],
  ["Basic dXNlcjpwYXNz", "Basic ***"],
  ["GET /v1?key=0123456789abcdef&alt=sse", "GET /v1?key=***&alt=sse"],
  ["api_key='0123456789abcdef'", "api_key='***'"],
  ['{"api-key":"0123456789abcdef"}', '{"api-key":"***"}'],
  ['{"password": "correct-horse"}', '{"password": "***"}'],
  ['"{\\"token\\":\\"0123456789abcdef\\"}"', '"{\\"token\\":\\"***\\"}"'],
])("of %j only the credential is masked", (text, shown) => {
  expect(redact(text)).toBe(shown);
});

test.each([
  "sk-wt-…abcd",
  "sk-",
  "the task-force of risk-management",
  "token_id=2f1c3f4e-8a55-4b6e-9d5e-0a1b2c3d4e5f",
  '{"token_id":"2f1c3f4e-8a55-4b6e-9d5e-0a1b2c3d4e5f","key_id":"k","project_id":"p"}',
  "key: value",
  "the bearer of bad news",
])("%s is left as it is", (text) => {
  expect(redact(text)).toBe(text);
});

test("JSON stays JSON with the same fields", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.constant("sk-abcdefgh12345678"))),
      (value) => {
        const shown = JSON.parse(redact(JSON.stringify(value)));
        expect(Object.keys(shown)).toHaveLength(Object.keys(value).length);
      },
    ),
  );
});

test("a megabyte of almost-secrets takes no longer than a moment", () => {
  const evil = ["sk-sk-", "bearer ", "key=key=", "AIza", 'api_key:"', "enc:v2:", "a", "Basic  "];
  for (const piece of evil) {
    const startMs = performance.now();
    redact(piece.repeat(Math.ceil(1_000_000 / piece.length)));
    expect(performance.now() - startMs).toBeLessThan(1_000);
  }
});
