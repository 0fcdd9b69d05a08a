import { afterEach, beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findSecrets } from "../../test/harness/canary.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { Secret } from "../secret.ts";
import { loadKeyring } from "./keyring.ts";

const e1 = randomBytes(32).toString("base64");
const e2 = randomBytes(32).toString("base64");

let directory: TemporaryDirectory;
let dataDir: string;
let check: string | undefined;

const keyChecks = {
  read: () => Promise.resolve(check),
  writeFirst: (sealed: string) => {
    check ??= sealed;
    return Promise.resolve(check);
  },
};

beforeEach(() => {
  directory = temporaryDirectory();
  dataDir = join(directory.path, "data");
  check = undefined;
});
afterEach(() => directory[Symbol.dispose]());

function load(setting?: string, isRequired = false) {
  return loadKeyring({
    encryptionKey: setting === undefined ? undefined : new Secret(setting),
    dataDir,
    isRequired,
    keyChecks,
  });
}

async function loaded(setting?: string) {
  const result = await load(setting);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

async function refused(setting?: string, isRequired = false) {
  const result = await load(setting, isRequired);
  if (result.ok) throw new Error("it was accepted");
  expect(findSecrets(JSON.stringify(result.error), [e1, e2])).toEqual([]);
  expect(result.error.advice).not.toBe("");
  return result.error.code;
}

test("on the first start a key is made, for the owner alone, and found again on the next", async () => {
  const first = await loaded();
  expect(first.origin).toBe("made");
  expect(first.file).toBe(join(dataDir, "encryption.key"));
  expect(statSync(first.file).mode & 0o777).toBe(0o600);
  expect(readFileSync(first.file, "utf8")).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
  expect(readdirSync(dataDir)).toEqual(["encryption.key"]);

  const again = await loaded();
  expect(again.origin).toBe("file");
  const opened = again.sealer.open("p", "k", first.sealer.seal("p", "k", new Secret("sk-secret")));
  expect(opened.ok && opened.value.reveal()).toBe("sk-secret");
});

test("the setting comes before the file, and then no file is made", async () => {
  expect((await loaded(e1)).origin).toBe("setting");
  expect(existsSync(dataDir)).toBe(false);
});

test.each([
  ["with a trailing newline", `${e1}\n`],
  ["in base64url", e1.replaceAll("+", "-").replaceAll("/", "_")],
  ["without its padding", e1.slice(0, -1)],
])("the same key %s is the same key (SEC-109)", async (_, written) => {
  await loaded(e1);
  expect((await loaded(written)).origin).toBe("setting");
});

test("data sealed under a key is not opened without it, with another, or with one made up (SEC-109)", async () => {
  await loaded(e1);
  const before = check;
  expect(await refused()).toBe("encryption_key_missing");
  expect(await refused(e2)).toBe("encryption_key_wrong");
  expect(await refused("short")).toBe("encryption_key_malformed");
  expect(existsSync(dataDir)).toBe(false);
  expect(check).toBe(before);
  expect((await loaded(e1)).origin).toBe("setting");
});

test("a file that does not fit the data is refused and stays as it is", async () => {
  const { file } = await loaded();
  writeFileSync(file, `${e2}\n`);
  expect(await refused()).toBe("encryption_key_wrong");
  expect(readFileSync(file, "utf8")).toBe(`${e2}\n`);
  writeFileSync(file, "");
  expect(await refused()).toBe("encryption_key_malformed");
  expect(readFileSync(file, "utf8")).toBe("");
});

test("data sealed under the file is not opened with a setting that came later", async () => {
  await loaded();
  expect(await refused(e1)).toBe("encryption_key_wrong");
});

test.each([
  "",
  "not base64!",
  randomBytes(31).toString("base64"),
  randomBytes(33).toString("base64"),
  "A".repeat(44),
])("%j is no key", async (written) => {
  expect(await refused(written)).toBe("encryption_key_malformed");
});

test("where the setting is required, neither a file nor a new key will do", async () => {
  expect(await refused(undefined, true)).toBe("encryption_key_required");
  expect(existsSync(dataDir)).toBe(false);
});

test("a data directory that cannot be used is a fault, not a crash", async () => {
  writeFileSync(dataDir, "a file");
  expect(await refused()).toBe("encryption_key_unusable");
});

test("starts at the same moment agree on one key", async () => {
  const script = `
    import { loadKeyring } from "${import.meta.dir}/keyring.ts";
    const keyChecks = { read: async () => undefined, writeFirst: async (sealed) => sealed };
    const result = await loadKeyring({ encryptionKey: undefined, dataDir: process.argv.at(-1), isRequired: false, keyChecks });
    console.log(result.ok ? result.value.sealer.seal("p", "k", new (await import("${import.meta.dir}/../secret.ts")).Secret("x")) : result.error.code);
  `;
  const children = Array.from({ length: 4 }, () =>
    Bun.spawn([process.execPath, "-e", script, dataDir], { stdout: "pipe" }),
  );
  const sealed = await Promise.all(children.map((child) => child.stdout.text()));
  const { sealer } = await loaded();
  for (const one of sealed) expect(sealer.open("p", "k", one.trim()).ok).toBe(true);
  expect(readdirSync(dataDir)).toEqual(["encryption.key"]);
}, 20_000);
