import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSqlite } from "../../src/storage/sqlite.ts";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { chunk, event, readBody, sseHead, write } from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes } from "./lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

const keyAtProvider = () => headerValue(lab.upstream.requests.at(-1)!.headers, "authorization");

/** A project and a token of it that has been used, so that all is remembered. */
async function warm() {
  const project = await lab.app.newProject();
  const { token, id } = await lab.app.newToken(project.id);
  const use = async () => {
    const answer = await lab.call("/v1/models", { token });
    return headerValue(answer.headers, "x-llm-proxy-error") ?? answer.status;
  };
  expect(await use()).toBe(200);
  const manage = async (method: string, path: string, body?: unknown) => {
    const answer = await lab.app.manage(method, path, body);
    expect(answer.status).toBeLessThan(300);
    return answer.json;
  };
  return { project, token, id, use, manage };
}

describe("a change holds for the very next request (AUT-103)", () => {
  test("a token revoked, and active again", async () => {
    const { id, use, manage } = await warm();
    await manage("DELETE", `/tokens/${id}`);
    expect(await use()).toBe("token_inactive");
    await manage("PATCH", `/tokens/${id}`, { is_active: true });
    expect(await use()).toBe(200);
  });

  test("all tokens of a project revoked", async () => {
    const { project, use, manage } = await warm();
    await manage("POST", `/projects/${project.id}/tokens/revoke`);
    expect(await use()).toBe("token_inactive");
  });

  test("a project inactive, and active again", async () => {
    const { project, use, manage } = await warm();
    await manage("PATCH", `/projects/${project.id}`, { is_active: false });
    expect(await use()).toBe("project_inactive");
    await manage("PATCH", `/projects/${project.id}`, { is_active: true });
    expect(await use()).toBe(200);
  });

  test("the provider key replaced", async () => {
    const { project, use, manage } = await warm();
    await manage("PATCH", `/projects/${project.id}`, { api_key: "sk-replacement-0123456789" });
    expect(await use()).toBe(200);
    expect(keyAtProvider()).toBe("Bearer sk-replacement-0123456789");
  });

  test("a key added, the first one removed, and the last one", async () => {
    const { project, use, manage } = await warm();
    const [first] = await manage("GET", `/projects/${project.id}/keys`);
    const added = await manage("POST", `/projects/${project.id}/keys`, { api_key: "sk-added-0123456789" });
    await manage("DELETE", `/projects/${project.id}/keys/${first.id}`);
    expect(await use()).toBe(200);
    expect(keyAtProvider()).toBe("Bearer sk-added-0123456789");
    await manage("DELETE", `/projects/${project.id}/keys/${added.id}`);
    expect(await use()).toBe("upstream_auth_error");
  });

  test("max_requests set, raised and taken away", async () => {
    const { id, use, manage } = await warm();
    await manage("PATCH", `/tokens/${id}`, { max_requests: 1 });
    expect(await use()).toBe("rate_limit_exceeded");
    await manage("PATCH", `/tokens/${id}`, { max_requests: 2 });
    expect(await use()).toBe(200);
    expect(await use()).toBe("rate_limit_exceeded");
    await manage("PATCH", `/tokens/${id}`, { max_requests: null });
    expect(await use()).toBe(200);
  });

  test("the answer to a change never comes before it holds, also while requests are under way", async () => {
    const { id, token, manage } = await warm();
    const burst = Array.from({ length: 30 }, () => lab.call("/v1/models", { token }));
    await manage("DELETE", `/tokens/${id}`);
    const after = await lab.call("/v1/models", { token });
    await Promise.all(burst);
    expect(headerValue(after.headers, "x-llm-proxy-error")).toBe("token_inactive");
    const later = await lab.call("/v1/models", { token });
    expect(headerValue(later.headers, "x-llm-proxy-error")).toBe("token_inactive");
  });
});

test("a stream that runs is not cut by a revocation", async () => {
  const { id, token, manage } = await warm();
  let goOn = () => {};
  const told = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  lab.upstream.answerNext([
    readBody(),
    write(sseHead(), chunk(event(1))),
    () => told,
    write(chunk(event(2)), chunk("")),
  ]);
  using client = await connectRaw(lab.app.port);
  await client.send(requestBytes("/v1/chat/completions", { method: "POST", token, body: "{}" }));
  await client.until("data: 1");
  await manage("DELETE", `/tokens/${id}`);
  goOn();
  const answer = await client.response({ method: "POST" });
  expect([answer.complete, answer.body.text()]).toEqual([true, event(1) + event(2)]);
});

describe("a change by another process on the database holds within a second", () => {
  const changes: [string, string, string][] = [
    ["a token revoked", "UPDATE tokens SET is_active = 0 WHERE id = ?", "token_inactive"],
    ["a project inactive", "UPDATE projects SET is_active = 0 WHERE id = ?", "project_inactive"],
    ["the keys gone", "DELETE FROM provider_keys WHERE project_id = ?", "upstream_auth_error"],
  ];
  test.each(changes)("%s", async (name, sql, code) => {
    const { id, project, use } = await warm();
    const other = createSqlite({ path: lab.app.databasePath });
    const changedAtMs = performance.now();
    await other.write([{ sql, values: [name === "a token revoked" ? id : project.id] }]);
    let verdict: string | number = "";
    while (verdict !== code && performance.now() - changedAtMs < 3_000) verdict = await use();
    expect(verdict).toBe(code);
    expect(performance.now() - changedAtMs).toBeLessThan(1_000);
    await other.close();
  });
});
