import { describe, expect, test } from "bun:test";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { fin, readBody, replyJson } from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes } from "./lab.ts";

const patient = `  patient:
    base_url: $UPSTREAM
    allowed_methods: [GET, POST]
    allowed_endpoints: ["/*"]
    retries: {max: 2, on_status: [429, 503], max_delay: 2s}
`;

const keysAsked = (lab: Lab) =>
  lab.upstream.requests.map(({ headers }) => headerValue(headers, "authorization"));
const metric = async (lab: Lab, line: RegExp) =>
  line.exec(await (await fetch(`${lab.app.origin}/metrics/prometheus`)).text())?.[1];

async function withTwoKeys(lab: Lab) {
  const project = await lab.app.newProject({ api_key: "sk-first-0123456789" });
  await lab.app.manage("POST", `/projects/${project.id}/keys`, { api_key: "sk-second-0123456789" });
  return lab.app.newToken(project.id, { max_requests: 100 });
}

describe("a key that the provider refuses", () => {
  test.each([401, 403, 429])(
    "%p: the next key is tried at once, and the refused one is left alone",
    async (status) => {
      await using lab = await openLab();
      const { token, id } = await withTwoKeys(lab);
      lab.upstream.answerNext(replyJson({ error: "no" }, status, [["Retry-After", "60"]]));
      const first = await lab.call("/v1/x", { token, body: '{"a":1}' });
      expect(first.status).toBe(200);
      expect(headerValue(first.headers, "x-llm-proxy-retries")).toBe("1");
      const bodies = await Promise.all(lab.upstream.requests.map((request) => request.wholeBody()));
      expect(bodies.map((body) => body.bytes().toString())).toEqual(['{"a":1}', '{"a":1}']);

      for (let count = 0; count < 5; count++) await lab.call("/v1/x", { token, body: '{"a":1}' });
      const [refused, ...others] = keysAsked(lab);
      expect(new Set(others).size).toBe(1);
      expect(others).not.toContain(refused);
      expect(
        await metric(lab, new RegExp(`provider_keys_set_aside_total{.*status="${status}"} (\\d+)`)),
      ).toBe("1");
      expect((await lab.app.manage("GET", `/tokens/${id}`)).json.request_count).toBe(6);
    },
  );

  test("the last key left: the provider's answer comes as it is, and at once", async () => {
    await using lab = await openLab();
    const { token } = await withTwoKeys(lab);
    lab.upstream.answer(replyJson({ error: "from upstream" }, 401));
    const answer = await lab.call("/v1/x", { token, body: "{}" });
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([401, undefined]);
    expect(new Set(keysAsked(lab)).size).toBe(2);
    expect(lab.upstream.requests.length).toBe(2);
    await lab.call("/v1/x", { token, body: "{}" });
    expect(lab.upstream.requests.length).toBe(3);
  });
});

describe("by policy", () => {
  test("an answer that may be tried again is, within the pause the provider asks for", async () => {
    await using lab = await openLab({ providers: patient });
    const { token } = await lab.app.newToken((await lab.app.newProject({ provider: "patient" })).id);
    lab.upstream.answerNext(replyJson({}, 503, [["Retry-After-Ms", "40"]]));
    const answer = await lab.call("/v1/x", { token, body: "{}" });
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-retries")]).toEqual([200, "1"]);
    const [first, second] = lab.upstream.requests;
    expect((second?.headAtMs ?? 0) - (first?.headAtMs ?? 0)).toBeGreaterThanOrEqual(39);
  });

  test("a move to another key is none of the attempts that the policy counts", async () => {
    await using lab = await openLab({ providers: patient.replace("max: 2", "max: 1") });
    const project = await lab.app.newProject({ provider: "patient", api_key: "sk-first-0123456789" });
    await lab.app.manage("POST", `/projects/${project.id}/keys`, { api_key: "sk-second-0123456789" });
    const { token } = await lab.app.newToken(project.id);
    lab.upstream.answerNext(replyJson({}, 401));
    lab.upstream.answerNext(replyJson({}, 503, [["Retry-After-Ms", "1"]]));
    const answer = await lab.call("/v1/x", { token, body: "{}" });
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-retries")]).toEqual([200, "2"]);
  });

  test("a pause that is too long is the caller's to make", async () => {
    await using lab = await openLab({ providers: patient });
    const { token } = await lab.app.newToken((await lab.app.newProject({ provider: "patient" })).id);
    lab.upstream.answer(replyJson({ error: "wait" }, 429, [["Retry-After", "7"]]));
    const answer = await lab.call("/v1/x", { token, body: "{}" });
    expect([answer.status, headerValue(answer.headers, "retry-after")]).toEqual([429, "7"]);
    expect(lab.upstream.requests.length).toBe(1);
  });

  test("without one, 503 is handed on at once", async () => {
    await using lab = await openLab();
    lab.upstream.answer(replyJson({}, 503));
    expect((await lab.call("/v1/x", { body: "{}" })).status).toBe(503);
    expect(lab.upstream.requests.length).toBe(1);
  });

  test("a body that streams through is not sent twice", async () => {
    await using lab = await openLab({ providers: patient });
    const { token } = await lab.app.newToken((await lab.app.newProject({ provider: "patient" })).id);
    lab.upstream.answer(replyJson({}, 503));
    using client = await connectRaw(lab.app.port);
    const head = requestBytes("/v1/x", {
      method: "POST",
      token,
      headers: [["Transfer-Encoding", "chunked"]],
    });
    const [answer] = await Promise.all([client.response(), client.send(head, "5\r\nhello\r\n0\r\n\r\n")]);
    expect(answer.status).toBe(503);
    expect(lab.upstream.requests.length).toBe(1);
  });

  test("a client that goes away in the pause ends it; nothing more is asked", async () => {
    await using lab = await openLab({ providers: patient });
    const project = await lab.app.newProject({ provider: "patient" });
    const { token } = await lab.app.newToken(project.id);
    lab.upstream.answer(replyJson({}, 503, [["Retry-After", "2"]]));
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/x", { method: "POST", token, body: "{}" }));
    await (await lab.upstream.nextRequest()).wholeBody();
    client.close();
    expect((await lab.records(1))[0]).toMatchObject({ outcome: "client_cancelled", status: 499 });
    expect(lab.upstream.requests.length).toBe(1);
  });
});

test("a connection that closes without an answer may have been heard: POST is not sent again", async () => {
  await using lab = await openLab({ providers: patient });
  const { token } = await lab.app.newToken((await lab.app.newProject({ provider: "patient" })).id);
  lab.upstream.answer([readBody(), fin()]);
  expect((await lab.call("/v1/x", { token, body: "{}" })).status).toBe(502);
  expect(lab.upstream.requests.length).toBe(1);
});
