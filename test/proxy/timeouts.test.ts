import { describe, expect, test } from "bun:test";
import { startBlackHole } from "../harness/black-hole.ts";
import { type FakeUpstreamOptions, startFakeUpstream } from "../harness/fake-upstream.ts";
import { freePort } from "../harness/free-port.ts";
import { headerValue } from "../harness/http-message.ts";
import {
  chunk,
  echo,
  event,
  fin,
  head,
  hold,
  pause,
  readBody,
  reply,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { jsonOf, openLab } from "./lab.ts";

/** A lab whose token is of a provider with these timeouts. */
async function openTimedLab(timeouts: string, more = "") {
  const lab = await openLab({
    providers: `  timed:
    base_url: $UPSTREAM
    allowed_methods: [GET, POST]
    allowed_endpoints: ["/*"]
    timeouts: {${timeouts}}${more}
`,
  });
  const project = await lab.app.newProject({ provider: "timed" });
  const { token } = await lab.app.newToken(project.id);
  const call = (target: string) => lab.call(target, { token, body: "{}" });
  const outcomes = async (count: number) => (await lab.records(count)).map(({ outcome }) => outcome);
  return Object.assign(lab, { timed: call, outcomes });
}

describe("down is 502 and slow is 504 (TMO-105)", () => {
  const limits = ", timeouts: {response_header: 400ms}";

  async function callAt(origin: string) {
    const rest = 'allowed_methods: [POST], allowed_endpoints: ["/*"], retries: {max: 0}, auth: query:key';
    await using lab = await openLab({
      providers: `  far: {base_url: "${origin}", ${rest}${limits}}\n`,
    });
    const { token } = await lab.app.newToken((await lab.app.newProject({ provider: "far" })).id);
    const startedMs = performance.now();
    const answer = await lab.call("/v1/chat/completions", { token, body: "{}" });
    const tookMs = performance.now() - startedMs;
    const text = answer.body.text();
    const { error } = jsonOf(answer);
    expect(Object.keys(error)).toEqual(expect.arrayContaining(["message", "type", "code"]));
    expect(headerValue(answer.headers, "x-llm-proxy-error")).toBe(error.code);
    for (const secret of [new URL(origin).host, lab.app.providerKey]) expect(text).not.toContain(secret);
    await lab.app.stop();
    expect(lab.app.log()).not.toContain(lab.app.providerKey);
    return { status: answer.status, code: error.code, tookMs };
  }

  test("(a) nothing listens there", async () => {
    const { status, code, tookMs } = await callAt(`http://127.0.0.1:${await freePort()}`);
    expect([status, code]).toEqual([502, "bad_gateway"]);
    expect(tookMs).toBeLessThan(1_000);
  });

  test.skipIf(process.platform !== "linux")("(b) what is sent there is dropped", async () => {
    using hole = await startBlackHole("127.0.0.8");
    const { status, code, tookMs } = await callAt(`http://${hole.address}:${hole.port}`);
    expect([status, code]).toEqual([504, "timeout"]);
    expect(tookMs).toBeWithin(390, 1_400);
  });

  const scripts: [string, FakeUpstreamOptions, number, string][] = [
    ["(c) it accepts and never answers", { answer: [hold()] }, 504, "timeout"],
    ["(d) it closes at once", { onAccept: [fin()] }, 502, "bad_gateway"],
    ["(e) it answers with 99", { answer: [write("HTTP/1.1 99 x\r\n\r\n"), hold()] }, 502, "bad_gateway"],
    [
      "(e) it answers with no HTTP",
      { answer: [write("SSH-2.0-x\r\n\r\n"), pause(20), fin()] },
      502,
      "bad_gateway",
    ],
  ];
  test.each(scripts)("%s", async (_, options, status, code) => {
    await using upstream = await startFakeUpstream(options);
    const told = await callAt(upstream.origin);
    expect([told.status, told.code]).toEqual([status, code]);
    expect(told.tookMs).toBeLessThan(1_400);
  });
});

describe("before the first byte a limit is a 504 (TMO-105)", () => {
  const limits = [
    "response_header: 100ms",
    "request: 100ms",
    "request: 100ms, response_header: 10s",
    "request: 10s, response_header: 100ms",
    "total: 100ms",
    "total: 100ms, request: 10s, response_header: 10s, stream_idle: 10s",
  ];
  test.each(limits)("%s", async (timeouts) => {
    await using lab = await openTimedLab(timeouts);
    lab.upstream.answerNext([readBody(), hold()]);
    const startedMs = performance.now();
    const answer = await lab.timed("/v1/chat/completions");
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([504, "timeout"]);
    expect(jsonOf(answer).error.code).toBe("timeout");
    expect(performance.now() - startedMs).toBeWithin(90, 1_100);
    expect((await lab.upstream.connections[0]?.closed())?.by).toBe("peer");
    lab.upstream.answer(echo());
    expect((await lab.timed("/v1/models")).status).toBe(200);
    expect(await lab.outcomes(2)).toEqual(["upstream_timeout", "complete"]);
  });
});

describe("after it the connection is cut (TMO-107)", () => {
  test("stream_idle: one error event at a border, then no proper end", async () => {
    await using lab = await openTimedLab("stream_idle: 120ms");
    lab.upstream.answerNext([readBody(), write(sseHead(), chunk(event(1))), hold()]);
    const answer = await lab.timed("/v1/chat/completions");
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expect(answer.body.text()).toMatch(/^data: 1\n\ndata: \{"error":.*"code":"timeout".*\}\n\n$/);
    expect((await lab.upstream.connections[0]?.closed())?.by).toBe("peer");
    expect(await lab.outcomes(1)).toEqual(["upstream_timeout"]);
  });

  test("stream_idle inside an event adds nothing", async () => {
    await using lab = await openTimedLab("stream_idle: 120ms");
    lab.upstream.answerNext([readBody(), write(sseHead(), chunk("data: ha")), hold()]);
    const answer = await lab.timed("/v1/chat/completions");
    expect([answer.complete, answer.body.text()]).toEqual([false, "data: ha"]);
  });

  test("request bounds a whole answer that is no stream", async () => {
    await using lab = await openTimedLab("request: 200ms");
    const trickle = Array.from({ length: 40 }, () => [pause(25), write("x")]).flat();
    lab.upstream.answerNext([readBody(), write(head(200, [["Content-Length", "40"]])), ...trickle]);
    const answer = await lab.timed("/v1/models");
    expect(answer.complete).toBe(false);
    expect(await lab.outcomes(1)).toEqual(["upstream_timeout"]);
  });

  test("total bounds a stream that never pauses", async () => {
    await using lab = await openTimedLab("total: 300ms, stream_idle: 200ms");
    const paced = Array.from({ length: 100 }, (_, n) => [pause(20), write(chunk(event(n)))]).flat();
    lab.upstream.answerNext([readBody(), write(sseHead()), ...paced]);
    const startedMs = performance.now();
    const answer = await lab.timed("/v1/chat/completions");
    expect(performance.now() - startedMs).toBeWithin(290, 1_300);
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expect(answer.body.text()).toMatch(/\n\ndata: \{"error":.*"code":"timeout".*\}\n\n$/);
    expect((await lab.upstream.connections[0]?.closed())?.by).toBe("peer");
    expect(await lab.outcomes(1)).toEqual(["upstream_timeout"]);
  });

  test("total is over all tries, with the pauses between them", async () => {
    const more = "\n    retries: {max: 5, on_status: [503]}";
    await using lab = await openTimedLab("total: 400ms", more);
    lab.upstream.answer([readBody(), hold()]);
    lab.upstream.answerNext(reply(503, [["Retry-After", "0.25"]], "{}"));
    const startedMs = performance.now();
    expect((await lab.timed("/v1/chat/completions")).status).toBe(504);
    expect(performance.now() - startedMs).toBeWithin(390, 640);
    expect(lab.upstream.requests).toHaveLength(2);
  });

  test("what the headers took counts for it", async () => {
    await using lab = await openTimedLab("request: 400ms");
    const rest = [pause(250), write("xx")];
    lab.upstream.answerNext([readBody(), pause(250), write(head(200, [["Content-Length", "2"]])), ...rest]);
    expect((await lab.timed("/v1/models")).complete).toBe(false);
  });
});

describe("what moves is not cut", () => {
  test("a stream that is longer than all limits together, with gaps below stream_idle", async () => {
    await using lab = await openTimedLab("request: 300ms, response_header: 300ms, stream_idle: 300ms");
    const paced = Array.from({ length: 10 }, (_, n) => [pause(50), write(chunk(event(n)))]).flat();
    lab.upstream.answerNext([
      readBody(),
      write(sseHead()),
      ...paced,
      write(chunk("data: [DONE]\n\n"), chunk("")),
    ]);
    const answer = await lab.timed("/v1/chat/completions");
    expect([answer.complete, answer.body.text().split("\n\n").length]).toEqual([true, 12]);
    expect(await lab.outcomes(1)).toEqual(["complete"]);
  });

  test("lines of JSON, or anything else whose length nobody knows (contract 2.10)", async () => {
    await using lab = await openTimedLab("request: 200ms, stream_idle: 300ms");
    const ndjson = head(200, [
      ["Content-Type", "application/x-ndjson"],
      ["Transfer-Encoding", "chunked"],
    ]);
    const paced = Array.from({ length: 8 }, (_, n) => [pause(50), write(chunk(`{"n":${n}}\n`))]).flat();
    lab.upstream.answer([readBody(), write(ndjson), ...paced, write(chunk(""))]);
    expect((await lab.timed("/api/chat")).complete).toBe(true);
    lab.upstream.answer([readBody(), write(ndjson, chunk("{}\n")), hold()]);
    expect((await lab.timed("/api/chat")).complete).toBe(false);
    expect(await lab.outcomes(2)).toEqual(["complete", "upstream_timeout"]);
  });

  test("a silence without limits, before and after the first byte", async () => {
    await using lab = await openTimedLab("request: 0");
    lab.upstream.answerNext([
      readBody(),
      pause(400),
      write(sseHead(), chunk(event(1))),
      pause(400),
      write(chunk(event(2)), chunk("")),
    ]);
    const answer = await lab.timed("/v1/chat/completions");
    expect([answer.complete, answer.body.text()]).toEqual([true, event(1) + event(2)]);
  });
});
