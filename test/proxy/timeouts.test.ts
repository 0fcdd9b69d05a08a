import { describe, expect, test } from "bun:test";
import { headerValue } from "../harness/http-message.ts";
import {
  chunk,
  echo,
  event,
  head,
  hold,
  pause,
  readBody,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { jsonOf, openLab } from "./lab.ts";

/** A lab whose token is of a provider with these timeouts. */
async function openTimedLab(timeouts: string) {
  const lab = await openLab({
    providers: `  timed:
    base_url: $UPSTREAM
    allowed_methods: [GET, POST]
    allowed_endpoints: ["/*"]
    timeouts: {${timeouts}}
`,
  });
  const project = await lab.app.newProject({ provider: "timed" });
  const { token } = await lab.app.newToken(project.id);
  const call = (target: string) => lab.call(target, { token, body: "{}" });
  const outcomes = async (count: number) => (await lab.records(count)).map(({ outcome }) => outcome);
  return Object.assign(lab, { timed: call, outcomes });
}

describe("before the first byte a limit is a 504 (TMO-105)", () => {
  const limits = [
    "response_header: 100ms",
    "request: 100ms",
    "request: 100ms, response_header: 10s",
    "request: 10s, response_header: 100ms",
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
    lab.upstream.answerNext([readBody(), write(sseHead()), ...paced, write(chunk(""))]);
    const answer = await lab.timed("/v1/chat/completions");
    expect([answer.complete, answer.body.text().split("\n\n").length]).toEqual([true, 11]);
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
