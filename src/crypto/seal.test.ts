import { expect, test } from "bun:test";
import { createCipheriv, randomBytes } from "node:crypto";
import fc from "fast-check";
import { Secret } from "../secret.ts";
import { createSealer } from "./seal.ts";

const key = randomBytes(32);
const sealer = createSealer(key);

/** What can be sealed: 1 byte to 4 KiB of UTF-8. */
const text = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 1_000 }),
    fc.string({ minLength: 4_000, maxLength: 4_096 }),
  )
  .filter((value) => Buffer.byteLength(value) <= 4_096);

function open(sealed: string, projectId = "p", keyId = "k", by = sealer): string {
  const opened = by.open(projectId, keyId, sealed);
  return opened.ok ? opened.value.reveal() : opened.error;
}

test("what was sealed opens, and does not show its text", () => {
  fc.assert(
    fc.property(text, fc.uuid(), fc.uuid(), (plain, projectId, keyId) => {
      const sealed = sealer.seal(projectId, keyId, new Secret(plain));
      expect(sealed).toMatch(/^enc:v2:[A-Za-z0-9+/]+=*$/);
      if (plain.length > 8) expect(Buffer.from(sealed.slice(7), "base64").includes(plain)).toBe(false);
      expect(open(sealed, projectId, keyId)).toBe(plain.toWellFormed());
    }),
  );
});

test("one changed bit anywhere, a cut or an addition makes it unreadable", () => {
  const sealed = Buffer.from(sealer.seal("p", "k", new Secret("sk-secret")).slice(7), "base64");
  fc.assert(
    fc.property(fc.nat(sealed.length * 8 - 1), (bit) => {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(open(`enc:v2:${changed.toString("base64")}`)).toBe("unreadable");
    }),
  );
  for (let length = 0; length < sealed.length; length++)
    expect(open(`enc:v2:${sealed.subarray(0, length).toString("base64")}`)).toBe("unreadable");
  expect(open(`enc:v2:${Buffer.concat([sealed, Buffer.from([0])]).toString("base64")}`)).toBe("unreadable");
});

test("it opens only for its own project and key, and under its own encryption key", () => {
  const sealed = sealer.seal("p", "k", new Secret("sk-secret"));
  expect(open(sealed, "q", "k")).toBe("unreadable");
  expect(open(sealed, "p", "l")).toBe("unreadable");
  expect(open(sealed, "p", "k", createSealer(randomBytes(32)))).toBe("unreadable");
  expect(open(sealed)).toBe("sk-secret");
});

test("a text that was never sealed is unreadable, not an error", () => {
  fc.assert(
    fc.property(fc.string(), (any) => open(any) === "unreadable" && open(`enc:v2:${any}`) === "unreadable"),
  );
  expect(open(sealer.seal("p", "k", new Secret("x")).replace("v2", "v1"))).toBe("unreadable");
});

test("the format is what the documentation says: nonce, ciphertext and tag in base64", () => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from("p:k"));
  const ciphertext = Buffer.concat([cipher.update("sk-secret"), cipher.final()]);
  expect(open(`enc:v2:${Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString("base64")}`)).toBe(
    "sk-secret",
  );
});

test("no two sealings are alike, so that equal keys cannot be told", () => {
  const sealed = Array.from({ length: 500 }, () => sealer.seal("p", "k", new Secret("sk-secret")));
  expect(new Set(sealed.map((one) => one.slice(7, 23))).size).toBe(500);
});

test.each([0, 4_097])("a text of %d bytes is refused before it is sealed", (length) => {
  expect(() => sealer.seal("p", "k", new Secret("x".repeat(length)))).toThrow(RangeError);
});
