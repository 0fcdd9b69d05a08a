import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { runMain } from "../../cli/main.ts";
import { unmetered } from "../../src/usage/record.ts";
import { noUsage } from "../../src/usage/usage.ts";
import { managementToken, startServer } from "../api/test-server.ts";
import { findSecrets, newCanary } from "../harness/canary.ts";
import { recordedIo } from "../harness/recorded-io.ts";
import { aRecord } from "../harness/rows.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../harness/temporary-directory.ts";

const providerKey = newCanary("provider-key");
const secondKey = newCanary("second-key");

interface Place {
  readonly flags: string[];
  readonly environment: Record<string, string>;
}

/** All that any command has printed; nothing secret may be in it. */
const printed: string[] = [];

async function runAt(place: Place, line: string, given: { stdin?: string; environment?: object } = {}) {
  const io = recordedIo({
    environment: { ...place.environment, ...given.environment },
    ...(given.stdin !== undefined && { stdin: Readable.from([given.stdin]) }),
  });
  const code = await runMain(["manage", ...line.split(" "), ...place.flags], io);
  printed.push(io.out(), io.err());
  return { code, out: io.out(), err: io.err() };
}

/** The same behaviour over the API of a server and on a database without one. */
describe.each(["over the API", "offline"])("manage, %s", (how) => {
  let directory: TemporaryDirectory;
  let server: Awaited<ReturnType<typeof startServer>> | undefined;
  let place: Place;
  let projectId: string;

  beforeAll(async () => {
    directory = temporaryDirectory();
    if (how === "offline") {
      place = { flags: ["--offline", "--data-dir", directory.path], environment: {} };
      expect(await runMain(["migrate", "up", "--data-dir", directory.path], recordedIo())).toBe(0);
    } else {
      server = await startServer();
      const environment = { MANAGEMENT_API_BASE_URL: server.base, MANAGEMENT_TOKEN: managementToken };
      place = { flags: [], environment };
    }
    const { out } = await run("project create --name team-a --api-key - --json", {
      stdin: `${providerKey}\n`,
    });
    projectId = JSON.parse(out).id;
  });

  afterAll(async () => {
    if (server !== undefined) await server[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  const run = (line: string, given: Parameters<typeof runAt>[2] = {}) => runAt(place, line, given);

  async function ok(line: string, given: Parameters<typeof runAt>[2] = {}): Promise<string> {
    const { code, out, err } = await run(line, given);
    expect({ line, code, err }).toEqual({ line, code: 0, err: "" });
    return out;
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  async function json(line: string): Promise<any> {
    return JSON.parse(await ok(`${line} --json`));
  }

  const newToken = (
    flags = "",
  ): Promise<{ id: string; token: string; expires_at: string; max_requests?: number }> =>
    json(`token create --project-id ${projectId} ${flags}`.trim());

  describe("project", () => {
    test("list prints the table that scripts know", async () => {
      const [head, row] = (await ok("project list --search team-a")).split("\n");
      expect(head).toMatch(/^ID {36}Name {18}API Key {27}Created {15}Updated {15}Provider {6}Active$/);
      expect(row?.slice(0, 36)).toBe(projectId);
      expect(row).toMatch(/ team-a .* \d{4}-\d\d-\d\d \d\d:\d\d .* openai +yes$/);
    });

    test("show prints the lines that scripts know; get is the same", async () => {
      const out = await ok(`project show ${projectId}`);
      for (const name of ["ID", "Name", "API Key", "Created", "Updated"]) expect(out).toContain(`${name}:`);
      expect(await ok(`project get ${projectId}`)).toBe(out);
    });

    test("a key comes from a file, from the environment, or with a warning as an argument", async () => {
      const file = join(directory.path, "key.txt");
      writeFileSync(file, providerKey);
      await ok(`project create --name from-file --api-key-file ${file} --provider openai`);
      await ok("project create --name from-environment", { environment: { PROVIDER_API_KEY: providerKey } });
      const { code, err } = await run(`project create --name from-flag --openai-key ${providerKey}`);
      expect({ code, err }).toEqual({
        code: 0,
        err: expect.stringMatching(/^Warning: --api-key shows in the list/),
      });
    });

    test("a name that is taken is refused with the server's words", async () => {
      const { code, out, err } = await run("project create --name team-a --api-key - --json", {
        stdin: secondKey,
      });
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(err).toContain('a project named "team-a" exists [project_exists]\nChoose another name\n');
    });

    test("a project without a key is refused", async () => {
      expect((await run("project create --name no-key")).err).toContain("name and api_key are required");
    });

    test("update changes what is given and nothing else", async () => {
      const before = await json(`project show ${projectId}`);
      await ok(`project update ${projectId} --name renamed`);
      expect(await json(`project show ${projectId}`)).toMatchObject({
        name: "renamed",
        api_key: before.api_key,
      });
      await ok(`project update ${projectId} --name team-a --api-key -`, { stdin: secondKey });
      expect((await json(`project show ${projectId}`)).api_key).toEndWith(secondKey.slice(-4));
    });

    test("update does not take a key that only happens to be in the environment", async () => {
      const before = await json(`project show ${projectId}`);
      await ok(`project update ${projectId} --name team-a`, {
        environment: { PROVIDER_API_KEY: "sk-other-0123456789" },
      });
      expect((await json(`project show ${projectId}`)).api_key).toBe(before.api_key);
    });

    test("deactivate, activate and --active switch it; --revoke-tokens says how many", async () => {
      const created = await run("project create --name switched --api-key - --json", { stdin: providerKey });
      const { id } = JSON.parse(created.out);
      await ok(`token create --project-id ${id} --json`);
      expect(await ok(`project deactivate ${id}`)).toMatch(/Active: +no/);
      expect((await json("project list --active=false")).map((row: { id: string }) => row.id)).toEqual([id]);
      expect(await ok(`project activate ${id}`)).toMatch(/Active: +yes/);
      expect(await ok(`project update ${id} --active=false --revoke-tokens`)).toMatch(/Tokens revoked: +1/);
      expect((await run(`token create --project-id ${id}`)).err).toContain("[project_inactive]");
    });

    test("an update of nothing is refused", async () => {
      expect((await run(`project update ${projectId}`)).err).toContain("no fields to update");
    });
  });

  describe("keys", () => {
    test("add, list and remove", async () => {
      const line = `keys add --project-id ${projectId} --api-key - --name second --weight 3`;
      expect(await ok(line, { stdin: secondKey })).toMatch(/Name: +second\nAPI Key: +\S+\nWeight: +3\n/);
      const rows = await json(`keys list --project-id ${projectId}`);
      const second = rows.find((row: { name: string }) => row.name === "second");
      expect(await ok(`keys list --project-id ${projectId}`)).toContain(second.id);
      expect(await ok(`keys remove --project-id ${projectId} ${second.id}`)).toBe(
        `Key ${second.id} is removed\n`,
      );
      const again = await run(`keys remove --project-id ${projectId} ${second.id}`);
      expect(again.err).toContain("[key_not_found]");
    });

    test("remove says it in JSON as well", async () => {
      const given = { environment: { PROVIDER_API_KEY: secondKey } };
      const added = await run(`keys add --project-id ${projectId} --provider anthropic --json`, given);
      const { id } = JSON.parse(added.out);
      expect(await json(`keys remove --project-id ${projectId} ${id}`)).toEqual({ id, removed: true });
    });
  });

  describe("token", () => {
    test("create shows the token once, on lines that scripts know; generate is the same", async () => {
      const { code, out, err } = await run(`token generate --project-id ${projectId}`);
      expect(code).toBe(0);
      expect(out).toMatch(
        /^ID: +\S{36}\nToken: +sk-wt-\S{43,}\nObfuscated: +sk-wt-…\S{4}\nExpires at: +\S+Z\n$/,
      );
      expect(err).toBe("The token is shown this once: hand it over now\n");
      const text = /Token: +(\S+)/.exec(out)?.[1] ?? "";
      expect(await ok("token list")).not.toContain(text);
    });

    test("it lives 1440 minutes, or as long as it is told", async () => {
      const nowMs = server?.clock.now() ?? Date.now();
      const livesMs = async (flags: string) => Date.parse((await newToken(flags)).expires_at) - nowMs;
      expect(Math.round((await livesMs("")) / 60_000)).toBe(1440);
      expect(Math.round((await livesMs("--duration 5 --max-requests 7")) / 60_000)).toBe(5);
      const expiresAt = new Date(nowMs + 3_600_000).toISOString();
      expect((await newToken(`--expires-at ${expiresAt}`)).expires_at).toBe(expiresAt);
    });

    test("list, show and update", async () => {
      const { id } = await newToken("--max-requests 7");
      expect(await ok(`token list --project-id ${projectId} --active`)).toMatch(
        new RegExp(`${id} .* yes +0/7 `),
      );
      expect(await ok(`token show ${id}`)).toMatch(/Active: +yes\nRequests: +0\/7\n/);
      expect(await ok(`token update ${id} --max-requests 0`)).toMatch(/Requests: +0\/∞\n/);
      expect(await json(`token update ${id} --active=false`)).toMatchObject({ id, is_active: false });
      expect(await json(`token update ${id} --active`)).toMatchObject({ id, is_active: true });
      expect((await run(`token update ${id}`)).err).toContain("no fields to update");
    });

    test("revoke is done at once and as often as you like; delete is the same", async () => {
      const { id } = await newToken();
      expect(await ok(`token revoke ${id}`)).toBe(`Token ${id} is revoked\n`);
      expect(await json(`token delete ${id}`)).toEqual({ id, revoked: true });
      expect((await json(`token get ${id}`)).is_active).toBe(false);
      expect((await run(`token revoke ${crypto.randomUUID()}`)).err).toContain("[token_not_found]");
    });

    test("revoke-all counts", async () => {
      const created = await run("project create --name all --api-key - --json", { stdin: providerKey });
      const { id } = JSON.parse(created.out);
      const { id: tokenId } = await json(`token create --project-id ${id}`);
      expect(await ok(`token revoke-all --project-id ${id}`)).toBe("1 tokens are revoked, 0 were before\n");
      expect(await json(`token revoke-all --project-id ${id}`)).toMatchObject({ already_revoked_count: 1 });
      expect((await json(`token show ${tokenId}`)).is_active).toBe(false);
    });
  });

  test("audit lists what was done and shows one event field by field", async () => {
    await newToken();
    const rows = await json(`audit list --action token.create --project-id ${projectId} --limit 0`);
    expect(rows[0]).toMatchObject({ action: "token.create", outcome: "success", project_id: projectId });
    expect(
      (await ok("audit list --action token.create --outcome success --limit 0")).split("\n")[1],
    ).toContain("token.create");
    const shown = await ok(`audit show ${rows[0].id}`);
    expect(shown).toMatch(new RegExp(`^ID: +${rows[0].id}\n`));
    expect(shown).toMatch(/\nProject id: +\S/);
    expect((await run(`audit get ${crypto.randomUUID()}`)).err).toContain("[audit_event_not_found]");
    expect((await run("audit list --start-time yesterday")).err).toContain("[validation_failed]");
  });

  test("usage lists nothing yet, and knows no such request", async () => {
    expect(await json("usage list --outcome refused --status 401")).toEqual([]);
    expect((await run("usage show x")).err).toContain("[request_not_found]");
  });

  test("flags of manage may stand before the command as well", async () => {
    const io = recordedIo({ environment: place.environment });
    expect(await runMain(["manage", ...place.flags, "--json", "project", "list"], io)).toBe(0);
    expect(JSON.parse(io.out())).toBeArray();
  });
});

test("a command on the database itself makes no encryption key where REQUIRE_ENCRYPTION_KEY is on", async () => {
  using directory = temporaryDirectory();
  expect(await runMain(["migrate", "up", "--data-dir", directory.path], recordedIo())).toBe(0);
  const place = {
    flags: ["--offline", "--data-dir", directory.path],
    environment: { REQUIRE_ENCRYPTION_KEY: "true" },
  };
  const { code, err } = await runAt(place, "project list");
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("encryption_key_required") });
  expect(existsSync(join(directory.path, "encryption.key"))).toBe(false);
});

test("usage sum shows sums with a bar for what they cost", async () => {
  const server = await startServer();
  await server.book([
    aRecord("a", { atMs: Date.parse("2026-01-02T03:04:05Z"), costNanoUsd: 40_000_000n, tokenId: "t1" }),
    aRecord("b", { atMs: Date.parse("2026-01-03T03:04:05Z"), costNanoUsd: 10_000_000n, model: "" }),
  ]);
  const place = {
    flags: [],
    environment: { MANAGEMENT_API_BASE_URL: server.base, MANAGEMENT_TOKEN: managementToken },
  };
  const byDay = (await runAt(place, "usage sum")).out.split("\n");
  expect(byDay[0]).toMatch(/^Day +Requests +In +Cached +Out +Estimated +Cost \$/);
  expect(byDay[1]).toMatch(/^2026-01-02 +1 +7 +0 +3 +0 +0\.04 +█{20}$/);
  expect(byDay[2]).toMatch(/^2026-01-03 +1 +7 +0 +3 +0 +0\.01 +█{5}$/);
  const byModel = (await runAt(place, "usage sum --group-by hour,model --to 2026-01-03T04:00:00Z")).out;
  expect(byModel).toMatch(/2026-01-02 03:00 +gpt-5 +1 /);
  expect(byModel).toMatch(/2026-01-03 03:00 +\(none\) +1 /);
  const json = JSON.parse((await runAt(place, "usage sum --group-by token --json")).out);
  expect(json).toMatchObject([
    { token_id: "t1", cost_usd: "0.04" },
    { token_id: "t", cost_usd: "0.01" },
  ]);
  expect((await runAt(place, "usage sum --group-by nobody")).code).toBe(1);
  await server[Symbol.asyncDispose]();
});

test("usage shows what was proxied", async () => {
  const server = await startServer();
  await server.book([
    aRecord("req-1", {
      atMs: Date.parse("2026-01-02T03:04:05Z"),
      usage: { ...noUsage, inputTokens: 70, cachedInputTokens: 20, outputTokens: 30, reasoningTokens: 10 },
    }),
    aRecord("req-2", { ...unmetered, status: 403, outcome: "refused", errorCode: "project_inactive" }),
  ]);
  const place = {
    flags: [],
    environment: { MANAGEMENT_API_BASE_URL: server.base, MANAGEMENT_TOKEN: managementToken },
  };
  const { out } = await runAt(place, "usage list --project-id p --token-id t --request-id req-1");
  expect(out).toMatch(
    /2026-01-02 03:04:05 +200 +complete +openai +gpt-5 +gpt-5-2025-08-07 +70 +20 +30 +10 +false +12 +req-1\n$/,
  );
  const refused = await runAt(place, "usage list --outcome refused");
  expect(refused.out).toMatch(/ 403 +project_inactive +openai +\/v1\/chat\/completions +false +12 +req-2\n$/);
  expect((await runAt(place, "usage get req-1")).out).toMatch(/^Request id: +req-1\nTimestamp: +2026-01-02T/);
  await server[Symbol.asyncDispose]();
});

afterAll(() => {
  expect(findSecrets(printed.join("\n"), [providerKey, secondKey, managementToken])).toEqual([]);
});
