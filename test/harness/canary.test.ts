import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findSecrets, findSecretsInDirectory, newCanary } from "./canary.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const secret = newCanary("key");
const special = 's3cret/with+signs=and"quote and more of it';

test("a secret is found in every form it may leak in", () => {
  const basic = (padding: string) => Buffer.from(`${padding}${secret}:x`).toString("base64");
  const leaks = {
    "as it is": `Bearer ${secret}`,
    hex: Buffer.from(secret).toString("hex").toUpperCase(),
    base64: basic(""),
  };
  for (const [form, text] of Object.entries(leaks)) {
    expect(findSecrets(text, [secret])).toEqual([{ secret, form, where: "text" }]);
    expect(findSecrets(Buffer.from(`\u0000\xff${text}`, "latin1"), [secret])).toHaveLength(1);
  }
  for (const padding of ["a", "ab", "abc"]) expect(findSecrets(basic(padding), [secret])).toHaveLength(1);
  expect(findSecrets(Buffer.from(`ab${special}`).toString("base64url"), [special])).toHaveLength(1);
  expect(findSecrets(JSON.stringify({ special }), [special])).not.toEqual([]);
  expect(findSecrets(`?key=${encodeURIComponent(special).toLowerCase()}`, [special])).not.toEqual([]);
});

test("a secret that was cut off is found, a mask of it is not", () => {
  expect(findSecrets(secret.slice(0, -10), [secret])).toHaveLength(1);
  expect(findSecrets(`${secret.slice(0, 8)}…${secret.slice(-4)}`, [secret])).toEqual([]);
  expect(findSecrets(newCanary("key"), [secret])).toEqual([]);
});

test("a directory is searched with all that is below it, names too", () => {
  using directory = temporaryDirectory();
  mkdirSync(join(directory.path, "deep"));
  writeFileSync(join(directory.path, "deep", "log.jsonl"), `{"key":"${secret}"}`);
  writeFileSync(join(directory.path, `${secret}.tmp`), "");
  writeFileSync(join(directory.path, "clean"), "nothing here");
  const found = findSecretsInDirectory(directory.path, [secret]).map(({ where }) => where);
  expect(found.sort()).toEqual(
    [join(directory.path, "deep", "log.jsonl"), `name of ${join(directory.path, `${secret}.tmp`)}`].sort(),
  );
});
