import { describe, expect, test } from "bun:test";
import { freePort } from "../harness/free-port.ts";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { fin, hold, pause, readBody, replyJson, reset } from "../harness/upstream-steps.ts";
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

/** A token of a project of `patient`, with a limit, so that what is counted shows. */
async function patientToken(lab: Lab) {
  const project = await lab.app.newProject({ provider: "patient" });
  return lab.app.newToken(project.id, { max_requests: 100 });
}
const requestCount = async (lab: Lab, id: string) =>
  (await lab.app.manage("GET", `/tokens/${id}`)).json.request_count;

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

  test("429: the key is used again after the time that was told, and the log says why it was left alone", async () => {
    await using lab = await openLab();
    const { token } = await withTwoKeys(lab);
    lab.upstream.answerNext(replyJson({}, 429, [["Retry-After-Ms", "1100"]]));
    const startedMs = performance.now();
    await lab.call("/v1/x", { token, body: '{"a":1}' });
    const [limited] = keysAsked(lab);
    while (keysAsked(lab).at(-1) !== limited) {
      await lab.call("/v1/x", { token, body: '{"a":1}' });
      await Bun.sleep(20);
    }
    expect(performance.now() - startedMs).toBeGreaterThan(1_050);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    await lab.app.stop();
    const told = lab.app
      .log()
      .split("\n")
      .find((line) => line.includes("a provider key was set aside"));
    expect(JSON.parse(told ?? "{}")).toMatchObject({
      level: "warn",
      provider: "lab",
      key_id: expect.any(String),
      status_code: 429,
      rest_ms: 1_100,
    });
  });

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
    const { token } = await patientToken(lab);
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
    const { token } = await patientToken(lab);
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

  test("a date that the provider names is waited for", async () => {
    await using lab = await openLab({ providers: patient });
    const { token } = await patientToken(lab);
    const toMs = Math.floor(Date.now() / 1000 + 1) * 1000;
    lab.upstream.answerNext(replyJson({}, 503, [["Retry-After", new Date(toMs).toUTCString()]]));
    expect((await lab.call("/v1/x", { token, body: "{}" })).status).toBe(200);
    expect(Date.now()).toBeGreaterThanOrEqual(toMs);
    expect(lab.upstream.requests.length).toBe(2);
  });

  test("all retries to a host together stay a small part of the requests", async () => {
    await using lab = await openLab({ providers: patient, env: { CIRCUIT_BREAKER_THRESHOLD: "0" } });
    const { token } = await patientToken(lab);
    lab.upstream.answer(replyJson({}, 503, [["Retry-After-Ms", "1"]]));
    for (let count = 0; count < 30; count++)
      expect((await lab.call("/v1/x", { token, body: "{}" })).status).toBe(503);
    expect(lab.upstream.requests.length - 30).toBeWithin(10, 14);
  });

  test.each([
    ["1 MiB", 1 << 20, [200, "1"]],
    ["one byte more", (1 << 20) + 1, [503, undefined]],
  ])("a body of %s", async (_, length, expected) => {
    await using lab = await openLab({ providers: patient });
    const { token } = await patientToken(lab);
    lab.upstream.answerNext(replyJson({}, 503, [["Retry-After-Ms", "1"]]));
    const body = Buffer.alloc(length, "abc");
    const answer = await lab.call("/v1/x", { token, body });
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-retries")]).toEqual(
      expected as [number, string],
    );
    const sent = await Promise.all(lab.upstream.requests.map((request) => request.wholeBody()));
    expect(sent.every((each) => each.bytes().equals(body))).toBe(true);
  });

  test("a body that streams through is not sent twice", async () => {
    await using lab = await openLab({ providers: patient });
    const { token } = await patientToken(lab);
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
    const { token, id } = await patientToken(lab);
    lab.upstream.answer(replyJson({}, 503, [["Retry-After", "2"]]));
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/x", { method: "POST", token, body: "{}" }));
    await (await lab.upstream.nextRequest()).wholeBody();
    client.close();
    const records = await lab.records(1);
    expect(records.map(({ outcome, status }) => [outcome, status])).toEqual([["client_cancelled", 499]]);
    expect(lab.upstream.requests.length).toBe(1);
    expect(await requestCount(lab, id)).toBe(1);
  });

  test("a client that goes away in the second attempt closes its connection, with one outcome", async () => {
    await using lab = await openLab({ providers: patient });
    const { token } = await patientToken(lab);
    lab.upstream.answerNext(replyJson({}, 503, [["Retry-After-Ms", "1"]]));
    lab.upstream.answer([readBody(), hold()]);
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/x", { method: "POST", token, body: "{}" }));
    await lab.upstream.nextRequest();
    const { connection } = await lab.upstream.nextRequest();
    client.close();
    const leftAtMs = performance.now();
    const close = await connection.closed();
    expect(close.by).toBe("peer");
    expect(close.atMs - leftAtMs).toBeLessThan(750);
    expect((await lab.records(1)).map(({ outcome }) => outcome)).toEqual(["client_cancelled"]);
    expect(lab.upstream.requests.length).toBe(2);
  });
});

describe("no connection", () => {
  const retries = /upstream_retries_total\{provider="patient"\} (\d+)/;
  const later = (port: number, more = "") => `  patient:
    base_url: http://127.0.0.1:${port}
    allowed_methods: [POST]
    allowed_endpoints: ["/*"]
    ${more}
`;

  test("a provider that comes up meanwhile answers, with the body as it was", async () => {
    const port = await freePort();
    await using lab = await openLab({ providers: later(port, "retries: {max: 8}") });
    const { token } = await patientToken(lab);
    const answer = lab.call("/v1/x", { token, body: '{"a":1}' });
    await Bun.sleep(150);
    await using late = Bun.serve({
      port,
      hostname: "127.0.0.1",
      fetch: async (request) => new Response(await request.text()),
    });
    const { status, headers, body } = await answer;
    expect([status, body.text()]).toEqual([200, '{"a":1}']);
    expect(Number(headerValue(headers, "x-llm-proxy-retries"))).toBeGreaterThan(0);
    await late.stop(true);
  });

  test("after the attempts of the policy it is 502, and nothing is counted", async () => {
    await using lab = await openLab({ providers: later(await freePort()) });
    const { token, id } = await patientToken(lab);
    const answer = await lab.call("/v1/x", { token, body: "{}" });
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([502, "bad_gateway"]);
    expect(await metric(lab, retries)).toBe("2");
    expect(await requestCount(lab, id)).toBe(0);
  });

  test("a client that goes away in the pause gets its request back: no provider was reached", async () => {
    const providers = later(await freePort(), "retries: {max: 10}");
    await using lab = await openLab({ providers });
    const { token, id } = await patientToken(lab);
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/x", { method: "POST", token, body: "{}" }));
    // it counts when a pause begins; the fourth is of 400 ms at the least
    while ((await metric(lab, retries)) !== "4") await Bun.sleep(10);
    client.close();
    expect((await lab.records(1)).map(({ outcome }) => outcome)).toEqual(["client_cancelled"]);
    expect(await requestCount(lab, id)).toBe(0);
  });
});

describe("a connection that ends without an answer may have been heard: POST is not sent again", () => {
  test.each([
    ["a new one, closed", false, fin()],
    ["a new one, reset", false, reset()],
    ["one that was used before, closed", true, fin()],
    ["one that was used before, reset", true, reset()],
  ])("%s", async (_, isUsed, end) => {
    await using lab = await openLab({ providers: patient });
    const { token } = await patientToken(lab);
    if (isUsed) await lab.call("/v1/x", { token, body: "{}" });
    const before = lab.upstream.requests.length;
    lab.upstream.answer([readBody(), pause(20), end]);
    expect((await lab.call("/v1/x", { token, body: "{}" })).status).toBe(502);
    expect(lab.upstream.requests.length - before).toBe(1);
    expect(lab.upstream.connections.length).toBe(1);
  });
});
