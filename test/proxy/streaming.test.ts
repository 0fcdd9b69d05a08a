import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Headers, headerValue, headerValues } from "../harness/http-message.ts";
import type { Step } from "../harness/upstream-connection.ts";
import {
  chunk,
  event,
  fin,
  head,
  pause,
  readBody,
  replySse,
  reset,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
const tokens = new Map<string, string>();
beforeAll(async () => {
  const dialects = ["openai", "anthropic", "gemini", "none"];
  lab = await openLab({
    providers: dialects
      .map(
        (name) =>
          `  of-${name}: {base_url: $UPSTREAM, dialect: ${name}, auth: bearer, allowed_methods: [GET, POST], allowed_endpoints: ["/*"]}\n`,
      )
      .join(""),
  });
  for (const dialect of dialects) {
    const project = await lab.app.newProject({ provider: `of-${dialect}` });
    tokens.set(dialect, (await lab.app.newToken(project.id)).token);
  }
});
afterAll(() => lab[Symbol.asyncDispose]());

const events = Array.from({ length: 5 }, (_, n) => event({ choices: [{ delta: { content: `word ${n}` } }] }));

describe("bytes of a stream", () => {
  const streams: [string, readonly (string | Buffer)[]][] = [
    [
      "event names, comments, ids, retry (STR-103)",
      [
        'event: message_start\ndata: {"type":"message_start"}\n\n',
        ": comment\n\n",
        "retry: 3000\n\n",
        'id: 4\nevent: content_block_delta\ndata: {"a":1}\n\n',
        'event: ping\ndata: {"type":"ping"}\n\n',
        'event: message_stop\ndata: {"type":"message_stop"}\n\n',
      ],
    ],
    ["CRLF, with a border between CR and LF (STR-102)", ["data: {}\r", "\n\r\n", "data:{}\r\n\r\n"]],
    ["bare CR (STR-102)", ["data: {}\r\rdata: [DONE]\r\r"]],
    [
      "a character of four bytes, one by one (STR-101)",
      [
        Buffer.from('data: {"content":"'),
        ...[0xf0, 0x9f, 0x8c, 0x8d].map((byte) => Buffer.from([byte])),
        '"}\n\n',
      ],
    ],
    [
      "odd JSON (STR-113)",
      [
        'data: { "a" : 1 , "b":2} \n\n',
        'data: {"a":"\\u00e9é","n":1.0,"e":1e2,"seed":9007199254740993}\n\n',
        "event: response.new_thing\ndata: {}\n\n",
      ],
    ],
    ["no [DONE] (STR-104)", ["event: response.completed\ndata: {}\n\n"]],
    [
      "a byte order mark, fields without a colon, no blank line at the end (STR-110)",
      ["\ufeffdata: {}\n\n", "data\n\n", "dataX: {}\n\n", "data:  {}"],
    ],
    ["what no reader could parse (STR-112)", ["data: null\n\n", "data: 5\n\n", "data: {bad json\n\n"]],
    ["nothing at all", []],
  ];
  test.each(streams)("%s", async (_, pieces) => {
    lab.upstream.answerNext(replySse(pieces));
    const answer = await lab.call("/v1/chat/completions", { body: '{"stream":true}' });
    expect([answer.status, answer.complete]).toEqual([200, true]);
    expect(answer.body.bytes()).toEqual(Buffer.concat(pieces.map((piece) => Buffer.from(piece))));
    expect(headerValue(answer.headers, "content-type")).toBe("text/event-stream");
  });

  test("an event of 8 MiB (STR-111)", async () => {
    const huge = `data: {"b64":"${"A".repeat(8 << 20)}"}\n\n`;
    lab.upstream.answerNext(replySse([huge, "data: [DONE]\n\n"]));
    const answer = await lab.call("/v1/responses", { body: "{}" });
    expect([answer.complete, answer.body.length]).toEqual([true, huge.length + 14]);
  });
});

/** Times at which pieces of the body came, one for each piece. */
async function arrivalsOf(steps: readonly Step[], target = "/v1/chat/completions") {
  lab.upstream.answerNext(steps);
  const answer = await lab.call(target, { body: "{}" });
  return { answer, times: answer.body.arrivals.map(({ atMs }) => atMs) };
}

describe("pace", () => {
  test("events arrive one by one, as far apart as they were sent (STR-107)", async () => {
    const gapMs = 60;
    const { answer, times } = await arrivalsOf(replySse(events, gapMs));
    expect(answer.complete).toBe(true);
    expect(times.length).toBeGreaterThanOrEqual(events.length);
    const gaps = times.slice(1, events.length).map((time, n) => time - (times[n] ?? 0));
    for (const gap of gaps) expect(gap).toBeGreaterThan(gapMs / 3);
  });

  test("the first event does not wait for the second (STR-107)", async () => {
    const { times } = await arrivalsOf([
      readBody(),
      write(sseHead(), chunk(events[0] ?? "")),
      pause(200),
      write(chunk(events[1] ?? ""), chunk("")),
    ]);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(60);
  });

  const others: [string, Headers][] = [
    [
      "a JSON array in pieces (STR-114)",
      [
        ["Content-Type", "application/json"],
        ["Transfer-Encoding", "chunked"],
      ],
    ],
    [
      "NDJSON (STR-114)",
      [
        ["Content-Type", "application/x-ndjson"],
        ["Transfer-Encoding", "chunked"],
      ],
    ],
    ["no type at all", [["Transfer-Encoding", "chunked"]]],
  ];
  test.each(others)("%s is handed on as it comes", async (_, headers) => {
    const { answer, times } = await arrivalsOf([
      readBody(),
      write(head(200, headers), chunk("[1")),
      pause(200),
      write(chunk(",2]"), chunk("")),
    ]);
    expect([answer.complete, answer.body.text()]).toEqual([true, "[1,2]"]);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(60);
  });

  test("a short body with a length that trickles is streamed, not held", async () => {
    const { answer, times } = await arrivalsOf([
      readBody(),
      write(
        head(200, [
          ["Content-Type", "application/json"],
          ["Content-Length", "10"],
        ]),
        "12345",
      ),
      pause(200),
      write("67890"),
    ]);
    expect([answer.complete, answer.body.text()]).toEqual([true, "1234567890"]);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(60);
  });
});

describe("a stream that breaks off never ends properly (STR-105)", () => {
  const said = "The provider's stream broke off before its end";
  const advice = "The provider could not be reached or broke the connection";
  const message = `${said}. ${advice}`;
  const words: [string, string, (requestId: string) => string][] = [
    [
      "openai",
      "/v1/chat/completions",
      () => event({ error: { message, type: "server_error", param: null, code: "bad_gateway" } }),
    ],
    [
      "openai",
      "/v1/responses",
      () => event({ type: "error", code: "bad_gateway", message, param: null }, "error"),
    ],
    [
      "openai",
      "/v1/responses/resp_1?stream=true",
      () => event({ type: "error", code: "bad_gateway", message, param: null }, "error"),
    ],
    [
      "anthropic",
      "/v1/messages",
      (request_id) =>
        event(
          { type: "error", error: { type: "api_error", message, code: "bad_gateway" }, request_id },
          "error",
        ),
    ],
    [
      "gemini",
      "/v1beta/models/g:streamGenerateContent?alt=sse",
      () =>
        event({
          error: {
            code: 502,
            message,
            status: "INTERNAL",
            details: [
              {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                reason: "bad_gateway",
                domain: "llm-proxy",
              },
            ],
          },
        }),
    ],
    ["none", "/v1/anything", () => ""],
  ];
  const ends: [string, readonly Step[]][] = [
    ["RST", [pause(30), reset()]],
    ["FIN", [pause(30), fin()]],
  ];
  for (const [how, end] of ends) {
    test.each(words)(
      `${how} at a border between events: one error event of %s on %s, then a cut`,
      async (dialect, target, word) => {
        lab.upstream.answerNext([readBody(), write(sseHead(), ...events.map(chunk)), ...end]);
        const answer = await lab.call(target, { body: "{}", token: tokens.get(dialect) ?? "" });
        const requestId = headerValue(answer.headers, "x-llm-proxy-request-id") ?? "";
        expect(answer.body.text()).toBe(events.join("") + word(requestId));
        expect([answer.status, answer.complete]).toEqual([200, false]);
      },
    );
  }

  const borders: [string, readonly (string | Buffer)[], boolean][] = [
    ["CRLF", ["data: 1\r\n\r\n"], true],
    ["bare CR", ["data: 1\r\r"], true],
    ["an empty line that came apart", ["data: 1\n", "\n"], true],
    ["a CRLF border that came byte by byte", ["data: 1", "\r", "\n", "\r", "\n"], true],
    ["before the first event", [], true],
    ["in the middle of a line", ['data: {"a'], false],
    ["after a line without an empty one", ["data: 1\n\ndata: 2\n"], false],
    ["between CR and LF of the last empty line", ["data: 1\r\n\r"], false],
  ];
  test.each(borders)("cut %s: an error event only where it stands by itself", async (_, pieces, isBorder) => {
    lab.upstream.answerNext([readBody(), write(sseHead(), ...pieces.map(chunk)), pause(30), reset()]);
    const answer = await lab.call("/v1/chat/completions", { body: "{}" });
    const before = Buffer.concat(pieces.map((piece) => Buffer.from(piece))).toString();
    const rest = answer.body.text().slice(before.length);
    expect(answer.body.text()).toStartWith(before);
    expect(answer.complete).toBe(false);
    if (isBorder) expect(rest).toMatch(/^data: \{"error":.*\}\n\n$/);
    else expect(rest).toBe("");
  });

  test("a cut inside a chunk: what came passes, nothing is added (STR-105)", async () => {
    lab.upstream.answerNext([
      readBody(),
      write(sseHead(), chunk(events[0] ?? ""), "ff\r\ndata: half"),
      pause(30),
      fin(),
    ]);
    const answer = await lab.call("/v1/chat/completions", { body: "{}" });
    expect(answer.body.text()).toBe(`${events[0]}data: half`);
    expect(answer.complete).toBe(false);
  });

  test("broken chunk framing is a cut as well (ENC-107)", async () => {
    for (const broken of ["FFFFFFFFFFFFFFFFF\r\n", "5\r\n12345XX", "zz\r\n"]) {
      lab.upstream.answerNext([
        readBody(),
        write(sseHead(), chunk(events[0] ?? "")),
        pause(30),
        write(broken),
        pause(30),
        fin(),
      ]);
      const answer = await lab.call("/v1/chat/completions", { body: "{}" });
      expect([answer.status, answer.complete]).toEqual([200, false]);
      expect(answer.body.text()).toStartWith(events[0] ?? "");
    }
  });

  test.each(["", "12345"])("a body of %p that should have 10 bytes is never complete", async (short) => {
    const announced = head(200, [["Content-Length", "10"]]);
    lab.upstream.answerNext([readBody(), write(announced, short), pause(30), fin()]);
    const answer = await lab.call("/v1/models", { body: "{}" });
    expect([answer.complete, answer.body.text()]).toEqual([false, short]);
  });

  test("a chunked answer without a last chunk is never complete, and gets no event", async () => {
    lab.upstream.answerNext([
      readBody(),
      write(
        head(200, [
          ["Transfer-Encoding", "chunked"],
          ["Content-Type", "application/json"],
        ]),
        chunk("{}\n\n"),
      ),
      pause(30),
      fin(),
    ]);
    const answer = await lab.call("/v1/models", { body: "{}" });
    expect([answer.complete, answer.body.text()]).toEqual([false, "{}\n\n"]);
    expect(headerValues(answer.headers, "content-length")).toEqual([]);
  });
});

describe("what the request asks for does not decide how the answer is read (STR-109)", () => {
  test("a stream that nobody asked for", async () => {
    lab.upstream.answerNext(replySse(events));
    const answer = await lab.call("/v1/chat/completions", { body: '{"stream":false}' });
    expect([answer.complete, answer.body.text()]).toEqual([true, events.join("")]);
  });

  test("JSON where a stream was asked for", async () => {
    lab.upstream.answerNext([
      readBody(),
      write(
        head(200, [
          ["Content-Type", "application/json"],
          ["Content-Length", "2"],
        ]),
        "{}",
      ),
    ]);
    const answer = await lab.call("/v1/chat/completions", { body: '{"stream":true}' });
    expect([answer.complete, answer.body.text()]).toEqual([true, "{}"]);
  });
});
