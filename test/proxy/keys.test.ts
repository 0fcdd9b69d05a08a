import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { headerValue } from "../harness/http-message.ts";
import { replyJson } from "../harness/upstream-steps.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

const keyAtProvider = () =>
  headerValue(lab.upstream.requests.at(-1)!.headers, "authorization")?.slice("Bearer ".length);

async function pooledProject(weights: readonly number[]) {
  const project = await lab.app.newProject({ api_key: "sk-pool-0-0123456789" });
  for (const [n, weight] of weights.entries())
    await lab.app.manage("POST", `/projects/${project.id}/keys`, {
      api_key: `sk-pool-${n + 1}-0123456789`,
      weight,
    });
  const { token, id } = await lab.app.newToken(project.id, { max_requests: 100_000 });
  return { project, token, id };
}

describe("several keys of a project", () => {
  test("share the traffic, and a conversation stays on one", async () => {
    const { token } = await pooledProject([1, 1]);
    const used = new Map<string, string>();
    for (let n = 0; n < 60; n++) {
      const conversation = `{"model":"m","messages":[{"role":"user","content":"${crypto.randomUUID().repeat(15)}"}`;
      await lab.call("/v1/chat/completions", { token, body: `${conversation}]}` });
      const first = keyAtProvider() ?? "";
      await lab.call("/v1/chat/completions", {
        token,
        body: `${conversation},{"role":"assistant","content":"${n}"}]}`,
      });
      expect(keyAtProvider()).toBe(first);
      used.set(first, conversation);
    }
    // 60 conversations that all miss one of three keys: (2/3)^60, one in 10^10
    expect([...used.keys()].sort()).toEqual([
      "sk-pool-0-0123456789",
      "sk-pool-1-0123456789",
      "sk-pool-2-0123456789",
    ]);
  });

  test("the record tells which one was used, never its text", async () => {
    const { token, project, id } = await pooledProject([]);
    await lab.call("/v1/models", { token });
    const { json: keys } = await lab.app.manage("GET", `/projects/${project.id}/keys`);
    const { json } = await lab.app.manage("GET", `/requests?token_id=${id}`);
    expect(json.requests[0].key_id).toBe(keys[0].id);
    expect(JSON.stringify(json) + JSON.stringify(keys)).not.toContain("sk-pool-0-0123456789");
  });
});

test("a key that the provider refuses is listed as resting, until it has rested", async () => {
  const { token, project } = await pooledProject([1]);
  lab.upstream.answerNext(replyJson({}, 401));
  const beforeMs = Date.now();
  expect((await lab.call("/v1/models", { token })).status).toBe(200);
  const { json: keys } = await lab.app.manage("GET", `/projects/${project.id}/keys`);
  const [resting, ...others] = keys.filter((key: { last_status?: number }) => key.last_status === 401);
  expect(others).toEqual([]);
  expect(Date.parse(resting.resting_until)).toBeWithin(beforeMs + 299_000, Date.now() + 300_001);
  const good = keys.find((key: { id: string }) => key.id !== resting.id);
  expect([good.resting_until, good.last_status]).toEqual([undefined, undefined]);
});

test("keys that cannot be read: 503 upstream_auth_error, the provider hears nothing, nothing is spent (SEC-109)", async () => {
  const { token, project, id } = await pooledProject([1]);
  const other = new Database(lab.app.databasePath);
  const spoil = (count: number) =>
    other.run(
      "UPDATE provider_keys SET sealed = 'enc:v2:broken' WHERE id IN (SELECT id FROM provider_keys WHERE project_id = ? AND sealed <> 'enc:v2:broken' LIMIT ?)",
      [project.id, count],
    );
  spoil(1);
  const before = lab.upstream.requests.length;
  // within a second the other process' change is seen: the key that is left serves all
  for (const startedMs = performance.now(); performance.now() - startedMs < 150; )
    expect((await lab.call("/v1/models", { token })).status).toBe(200);
  spoil(1);
  let answer = await lab.call("/v1/models", { token });
  while (answer.status === 200) answer = await lab.call("/v1/models", { token });
  expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([
    503,
    "upstream_auth_error",
  ]);
  expect(answer.body.text()).not.toContain("enc:v2");
  const reached = lab.upstream.requests.length - before;
  expect((await lab.app.manage("GET", `/tokens/${id}`)).json.request_count).toBe(reached);
  const { json } = await lab.app.manage("GET", `/projects/${project.id}/keys`);
  expect(json.map(({ key_status }: { key_status: string }) => key_status)).toEqual([
    "unreadable",
    "unreadable",
  ]);
  other.close();
});
