import { describe, expect, test } from "bun:test";
import { aProject } from "../../test/harness/rows.ts";
import { caller, openStore } from "../../test/harness/store.ts";
import { maxRequestsMax } from "../limit/wanted.ts";
import { createProjectRepository } from "../storage/project-repository.ts";
import { createTokenRepository } from "../storage/token-repository.ts";
import { hashToken, isTokenText } from "./secret.ts";
import { createTokens, durationMinutesMax, type NewToken } from "./service.ts";

const minuteMs = 60_000;

async function setUp() {
  const store = await openStore();
  const projects = createProjectRepository(store.database);
  const repository = createTokenRepository(store.database);
  const changed: string[] = [];
  const project = (id: string, isActive: boolean) =>
    aProject(id, { isActive, deactivatedAtMs: isActive ? null : store.clock.now() });
  await projects.insert(project("p1", true), undefined);
  await projects.insert(project("p-off", false), undefined);
  const tokens = createTokens({
    repository,
    projects,
    changes: {
      tokenChanged: (id) => changed.push(`token ${id}`),
      projectChanged: (id) => changed.push(`project ${id}`),
    },
    audit: store.audit,
    clock: store.clock,
    newId: store.newId,
    settleCounts: () => Promise.resolve(),
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
  });
  const issue = async (wanted: Partial<NewToken> = {}) => {
    const issued = await tokens.issue({ projectId: "p1", durationMinutes: 60, ...wanted }, caller);
    if (!issued.ok) throw new Error(issued.error.code);
    return issued.value;
  };
  return { ...store, tokens, repository, changed, issue };
}

describe("issuing a token", () => {
  test("gives its text once and stores its hash only", async () => {
    const { issue, repository, audited, clock } = await setUp();
    const { token, text } = await issue({ maxRequests: 5 });
    expect(isTokenText(text)).toBe(true);
    const stored = await repository.find(token.id);
    expect(stored).toEqual(token);
    expect(stored?.hash).toBe(hashToken(text));
    expect(JSON.stringify(stored)).not.toContain(text);
    expect(token.expiresAtMs).toBe(clock.now() + 60 * minuteMs);
    expect(await audited()).toEqual(["token.create success"]);
  });

  const refused: [name: string, wanted: Partial<NewToken>, code: string][] = [
    ["no expiry", { durationMinutes: undefined as never }, "expiry_missing"],
    ["0 minutes", { durationMinutes: 0 }, "expiry_missing"],
    ["a fraction of a minute", { durationMinutes: 1.5 }, "expiry_missing"],
    ["more than a year", { durationMinutes: durationMinutesMax + 1 }, "duration_out_of_range"],
    ["both kinds of expiry", { expiresAtMs: Date.UTC(2030, 0, 2) }, "expiry_ambiguous"],
    ["an unknown project", { projectId: "p-none" }, "project_not_found"],
    ["an inactive project", { projectId: "p-off" }, "project_inactive"],
    ["a negative limit", { maxRequests: -1 }, "limit_invalid"],
    ["half a request", { maxRequests: 0.5 }, "limit_invalid"],
    ["a limit past 31 bits", { maxRequests: maxRequestsMax + 1 }, "limit_invalid"],
  ];
  test.each(refused)("with %s is refused, stored nowhere and audited", async (_, wanted, code) => {
    const { tokens, repository, audited } = await setUp();
    const issued = await tokens.issue({ projectId: "p1", durationMinutes: 60, ...wanted }, caller);
    expect(issued).toMatchObject({ ok: false, error: { code } });
    expect((await repository.list({}, undefined)).total).toBe(0);
    expect(await audited()).toEqual([`token.create failure ${code}`]);
  });

  test.each([-1, 0])("an expiry %p ms from now is refused", async (ms) => {
    const { tokens, clock } = await setUp();
    const issued = await tokens.issue({ projectId: "p1", expiresAtMs: clock.now() + ms }, caller);
    expect(issued).toMatchObject({ error: { code: "duration_out_of_range" } });
  });

  test("without a limit is what 0, null and nothing mean", async () => {
    const { issue } = await setUp();
    for (const maxRequests of [0, null, undefined])
      expect((await issue({ maxRequests: maxRequests as null })).token.limits.maxRequests).toBeNull();
  });
});

describe("changing a token", () => {
  test("is told to the caches before it is confirmed, and leaves the counters alone", async () => {
    const { tokens, issue, changed } = await setUp();
    const { token } = await issue();
    const updated = await tokens.update(token.id, { maxRequests: 7, isActive: false }, caller);
    expect(updated).toMatchObject({
      value: { limits: { maxRequests: 7 }, isActive: false, requestCount: 0 },
    });
    expect(changed).toEqual([`token ${token.id}`]);
  });

  test("with nothing to change, or no such token, is refused", async () => {
    const { tokens, issue } = await setUp();
    const { token } = await issue();
    expect(await tokens.update(token.id, {}, caller)).toMatchObject({
      error: { code: "no_fields_to_update" },
    });
    expect(await tokens.update("none", { isActive: true }, caller)).toMatchObject({
      error: { code: "token_not_found" },
    });
    expect(await tokens.update(token.id, { maxRequests: -1 }, caller)).toMatchObject({
      error: { code: "limit_invalid" },
    });
  });

  test("cannot bring back one that has expired", async () => {
    const { tokens, issue, clock } = await setUp();
    const { token } = await issue({ durationMinutes: 1 });
    await tokens.revoke(token.id, caller);
    clock.advance(minuteMs);
    expect(await tokens.update(token.id, { isActive: true }, caller)).toMatchObject({
      error: { code: "token_expired" },
    });
  });
});

describe("revoking", () => {
  test("works once and may be repeated; only the first is a change", async () => {
    const { tokens, issue, repository, changed } = await setUp();
    const { token } = await issue();
    expect((await tokens.revoke(token.id, caller)).ok).toBe(true);
    expect((await tokens.revoke(token.id, caller)).ok).toBe(true);
    expect((await repository.find(token.id))?.isActive).toBe(false);
    expect(changed).toEqual([`token ${token.id}`]);
    expect(await tokens.revoke("none", caller)).toMatchObject({ error: { code: "token_not_found" } });
  });

  test("all tokens of a project counts what it did", async () => {
    const { tokens, issue, changed } = await setUp();
    const first = await issue();
    await issue();
    await tokens.revoke(first.token.id, caller);
    expect(await tokens.revokeAll("p1", caller)).toMatchObject({
      value: { revoked: 1, alreadyRevoked: 1, total: 2 },
    });
    expect(changed.at(-1)).toBe("project p1");
    expect(await tokens.revokeAll("none", caller)).toMatchObject({ error: { code: "project_not_found" } });
  });
});

test("listing and reading are audited, and a list can be narrowed", async () => {
  const { tokens, issue, audited } = await setUp();
  const { token } = await issue();
  expect((await tokens.list({ projectId: "p1" }, { offset: 0, limit: 1 }, caller)).total).toBe(1);
  expect((await tokens.list({ projectId: "p2" }, undefined, caller)).total).toBe(0);
  expect(await tokens.get(token.id, caller)).toMatchObject({ value: { id: token.id } });
  expect(await tokens.get("none", caller)).toMatchObject({ error: { code: "token_not_found" } });
  expect((await audited()).slice(1)).toEqual([
    "token.list success",
    "token.list success",
    "token.read success",
    "token.read failure token_not_found",
  ]);
});
