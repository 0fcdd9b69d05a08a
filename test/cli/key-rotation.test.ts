import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { runMain } from "../../cli/main.ts";
import { rotateKeys } from "../../src/app-rotation.ts";
import { loadSettings } from "../../src/config/load.ts";
import { createSqlite } from "../../src/storage/sqlite.ts";
import { startApp } from "../harness/app-in-process.ts";
import { findSecrets } from "../harness/canary.ts";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { freePort } from "../harness/free-port.ts";
import { headerValue } from "../harness/http-message.ts";
import { recordedIo } from "../harness/recorded-io.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../harness/temporary-directory.ts";

const newKey = () => randomBytes(32).toString("base64");
const e1 = newKey();
const e2 = newKey();
const projectKeys = 3;

let directory: TemporaryDirectory;
let upstream: FakeUpstream;
let listenAddr: string;
beforeEach(async () => {
  directory = temporaryDirectory();
  upstream = await startFakeUpstream();
  listenAddr = `127.0.0.1:${await freePort()}`;
});
afterEach(async () => {
  await upstream[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

const at = (name: string) => join(directory.path, name);
const keyFile = () => readFileSync(at("encryption.key"), "utf8");
const start = (env: Record<string, string> = {}) =>
  startApp({ upstream: upstream.origin, dataDirectory: directory.path, env });

/** What `keys rotate` said; `setting` is the present ENCRYPTION_KEY. */
async function rotate(words: string, given: { setting?: string; environment?: object; stdin?: string } = {}) {
  const io = recordedIo({
    environment: {
      DATA_DIR: directory.path,
      LISTEN_ADDR: listenAddr,
      ...(given.setting !== undefined && { ENCRYPTION_KEY: given.setting }),
      ...given.environment,
    },
    ...(given.stdin !== undefined && { stdin: Readable.from([given.stdin]) }),
  });
  const code = await runMain(["manage", "keys", "rotate", ...words.split(" ").filter(Boolean)], io);
  expect(findSecrets(io.out() + io.err(), [e1, e2])).toEqual([]);
  return { code, out: io.out(), err: io.err() };
}

/** A database with some keys; gives the texts of the keys and a token of the first project. */
async function seal(setting?: string) {
  await using app = await start(setting === undefined ? {} : { ENCRYPTION_KEY: setting });
  const projects = [];
  for (let index = 0; index < projectKeys; index++) projects.push(await app.newProject());
  return { key: app.providerKey, token: (await app.newToken(projects[0].id)).token as string };
}

/** A server starts, and what was sealed reaches the provider; gives the server's log. */
async function expectReadable(sealed: { key: string; token: string }, setting?: string) {
  await using app = await start(setting === undefined ? {} : { ENCRYPTION_KEY: setting });
  const { status } = await fetch(`${app.origin}/v1/models`, {
    headers: { authorization: `Bearer ${sealed.token}` },
  });
  expect(status).toBe(200);
  expect(headerValue(upstream.requests.at(-1)!.headers, "authorization")).toBe(`Bearer ${sealed.key}`);
  const { json: projects } = await app.manage("GET", "/projects");
  const keys = await Promise.all(
    projects.map(({ id }: { id: string }) => app.manage("GET", `/projects/${id}/keys`)),
  );
  expect(keys.flatMap(({ json }) => json.map((key: { key_status: string }) => key.key_status))).toEqual(
    Array.from({ length: projectKeys }, () => "ok"),
  );
  await app.stop();
  return app.log();
}

async function sealedTexts() {
  const database = createSqlite({ path: at("llm-proxy.db") });
  const rows = await database.all<{ sealed: string }>(
    "SELECT sealed FROM provider_keys UNION ALL SELECT value FROM meta",
  );
  await database.close();
  return rows.map(({ sealed }) => sealed).sort();
}

describe("keys rotate (SEC-109)", () => {
  test("makes a new key in the place of the file's, and every provider key still opens", async () => {
    const sealed = await seal();
    const [before, texts] = [keyFile(), await sealedTexts()];
    const { code, out } = await rotate("");
    expect({ code, out }).toEqual({
      code: 0,
      out: `Provider keys sealed anew: ${projectKeys}\nThe new encryption key is in ${at("encryption.key")}: back it up, then start the server\n`,
    });
    expect(keyFile()).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
    expect(keyFile()).not.toBe(before);
    expect(statSync(at("encryption.key")).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory.path).filter((name) => name.startsWith("encryption"))).toEqual([
      "encryption.key",
    ]);
    const after = await sealedTexts();
    expect(after).toHaveLength(texts.length);
    expect(after.filter((text) => texts.includes(text))).toEqual([]);
    await expectReadable(sealed);
  });

  test("puts a key of one's own into the file", async () => {
    const sealed = await seal();
    writeFileSync(at("new.txt"), `${e2}\n`);
    const { code, out } = await rotate(`--new-key-file ${at("new.txt")} --json`);
    expect({ code, out: JSON.parse(out) }).toEqual({
      code: 0,
      out: { rotated: projectKeys, origin: "file", file: at("encryption.key") },
    });
    expect(keyFile()).toBe(`${e2}\n`);
    await expectReadable(sealed);
  });

  test.each([
    ["on stdin", "--new-key -", { stdin: `${e2}\n` }],
    ["in the environment", "", { environment: { NEW_ENCRYPTION_KEY: e2 } }],
  ])("takes the place of the setting's with a key %s, and tells where to set it", async (_, words, given) => {
    const sealed = await seal(e1);
    const { code, out } = await rotate(words, { setting: e1, ...given });
    expect(code).toBe(0);
    expect(out).toContain("Set ENCRYPTION_KEY to the new key where it is set now (environment)");
    expect(existsSync(at("encryption.key"))).toBe(false);
    await expectReadable(sealed, e2);
    await expect(start({ ENCRYPTION_KEY: e1 })).rejects.toThrow("encryption_key_wrong");
  });

  test("is in the audit trail, with the count, also where it was refused", async () => {
    await seal(e1);
    await rotate("--new-key -", { setting: e1, stdin: e1 });
    await rotate("--new-key -", { setting: e1, stdin: e2 });
    const database = createSqlite({ path: at("llm-proxy.db") });
    const rows = await database.all(
      "SELECT outcome, actor, reason, metadata FROM audit_events WHERE action = 'keys.rotate' ORDER BY seq",
    );
    await database.close();
    expect(rows).toEqual([
      { outcome: "failure", actor: "admin", reason: "new_key_same", metadata: "{}" },
      { outcome: "success", actor: "admin", reason: "", metadata: `{"key_count":${projectKeys}}` },
    ]);
    expect(readFileSync(at("audit.log"), "utf8").match(/"keys\.rotate"/g)).toHaveLength(2);
  });

  test("is refused while a server answers, unless it is forced", async () => {
    await seal();
    const before = await sealedTexts();
    await using app = await start();
    const environment = { LISTEN_ADDR: `127.0.0.1:${app.port}` };
    const { code, err } = await rotate("", { environment });
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining(
        `A server listens at ${app.origin}, and would go on sealing under the old key`,
      ),
    });
    expect(await sealedTexts()).toEqual(before);
    expect((await rotate("--force", { environment })).code).toBe(0);
    expect(await sealedTexts()).not.toEqual(before);
  });

  test.each([
    ["no new key where the present one is a setting", "new_key_missing", {}],
    ["a new key that is none", "encryption_key_malformed", { stdin: "short" }],
    ["the key that is in use", "new_key_same", { stdin: e1 }],
    ["a present key that is not the one", "encryption_key_wrong", { setting: e2, stdin: newKey() }],
  ])("is refused with %s, and nothing is changed", async (_, fault, given) => {
    const sealed = await seal(e1);
    const before = await sealedTexts();
    const { code, err } = await rotate("stdin" in given ? "--new-key -" : "", { setting: e1, ...given });
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(`${fault}: `) });
    expect(await sealedTexts()).toEqual(before);
    await expectReadable(sealed, e1);
  });

  test("is refused as a whole where a key does not open, and names it", async () => {
    await seal();
    const database = createSqlite({ path: at("llm-proxy.db") });
    const [broken] = await database.all<{ id: string }>("SELECT id FROM provider_keys ORDER BY id LIMIT 1");
    await database.write([
      { sql: "UPDATE provider_keys SET sealed = 'enc:v2:AAAA' WHERE id = ?", values: [broken!.id] },
    ]);
    await database.close();
    const before = [keyFile(), ...(await sealedTexts())];
    const { code, err } = await rotate("");
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining(
        `keys_unreadable: The present key does not open these provider keys: ${broken!.id}.`,
      ),
    });
    expect([keyFile(), ...(await sealedTexts())]).toEqual(before);
    expect(existsSync(at("encryption.key.new"))).toBe(false);
  });

  test("makes no database, and works on nothing but one", async () => {
    expect(await rotate("")).toMatchObject({
      code: 1,
      err: expect.stringContaining("There is no database at"),
    });
    expect(readdirSync(directory.path)).toEqual([]);
    expect(await rotate("--no-offline")).toMatchObject({ code: 2 });
  });
});

describe("a rotation that is cut short (SEC-109)", () => {
  test("before the database is changed: the old key holds, and the next rotation takes the key that waits", async () => {
    const sealed = await seal();
    const before = keyFile();
    writeFileSync(at("encryption.key.new"), `${e2}\n`, { mode: 0o600 });
    await expectReadable(sealed);
    expect(keyFile()).toBe(before);
    expect(await rotate("--new-key -", { stdin: newKey() })).toMatchObject({
      code: 1,
      err: expect.stringContaining(`rotation_unfinished: ${at("encryption.key.new")}`),
    });
    expect((await rotate("")).code).toBe(0);
    expect(keyFile()).toBe(`${e2}\n`);
    await expectReadable(sealed);
  });

  /** As it is after the transaction, before the new file is put in its place. */
  async function cutShort() {
    const sealed = await seal();
    copyFileSync(at("encryption.key"), at("old"));
    expect((await rotate("--new-key -", { stdin: e2 })).code).toBe(0);
    renameSync(at("encryption.key"), at("encryption.key.new"));
    renameSync(at("old"), at("encryption.key"));
    return sealed;
  }

  test("after that: the next start puts the new key in its place, and says so", async () => {
    const sealed = await cutShort();
    expect(await expectReadable(sealed)).toContain("a rotation that was cut short is finished");
    expect(keyFile()).toBe(`${e2}\n`);
    expect(existsSync(at("encryption.key.new"))).toBe(false);
  });

  test("after that: the same rotation again puts the new key in its place, and has nothing else to do", async () => {
    const sealed = await cutShort();
    expect(await rotate("--new-key -", { stdin: e2 })).toMatchObject({
      code: 1,
      err: expect.stringContaining("new_key_same"),
    });
    expect(keyFile()).toBe(`${e2}\n`);
    await expectReadable(sealed);
  });

  test("after that: doctor finds the key that waits, and moves nothing", async () => {
    await cutShort();
    const before = keyFile();
    const io = recordedIo({
      environment: { DATA_DIR: directory.path, LISTEN_ADDR: listenAddr, MANAGEMENT_TOKEN: "m".repeat(40) },
    });
    expect(await runMain(["doctor", "--offline"], io)).toBe(0);
    expect(io.out()).toContain("It opens what is sealed in the database");
    expect(keyFile()).toBe(before);
  });

  test("a key that waits and does not fit either is no way out", async () => {
    await cutShort();
    writeFileSync(at("encryption.key.new"), `${newKey()}\n`);
    await expect(start()).rejects.toThrow(/encryption_key_wrong.*encryption\.key\.new/);
    writeFileSync(at("encryption.key.new"), "half a key");
    await expect(start()).rejects.toThrow(/encryption_key_malformed.*encryption\.key\.new/);
  });
});

test("of rotations at the same moment one is done, and its key opens everything", async () => {
  const sealed = await seal();
  const environment = { DATA_DIR: directory.path };
  const loaded = loadSettings({ flags: {}, environment, cwd: directory.path });
  if (!loaded.ok) throw new Error("wrong settings");
  const done = await Promise.all([1, 2, 3].map(() => rotateKeys(loaded.value, undefined)));
  expect(done.filter(({ ok }) => ok).length).toBeGreaterThan(0);
  for (const one of done)
    if (!one.ok) expect(one.error.code).toMatch(/^keys_(changed_meanwhile|unreadable)$/);
  await expectReadable(sealed);
});
