import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { type Headers, headerValue, headerValues } from "../harness/http-message.ts";
import { within } from "../harness/mailbox.ts";
import { connectRaw } from "../harness/raw-client.ts";
import type { Step } from "../harness/upstream-connection.ts";
import {
  chunk,
  event,
  fin,
  head,
  hold,
  pause,
  readBody,
  reply,
  replyJson,
  reset,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { type Front, type FrontName, programOf, startFront } from "./front.ts";
import { type Lab, type LabRequest, openLab, requestBytes } from "./lab.ts";
import { openClient, type SocketUpstream, startSocketUpstream } from "./socket-lab.ts";

// The configurations of deploy/, in the real programs. A program that is missing is named by .ci/test.sh.

const json: Headers = [["Content-Type", "application/json"]];

describe.each(["nginx", "Caddy"] as const)("behind %s", (name: FrontName) => {
  const isHere = programOf(name) !== undefined;
  let sockets: SocketUpstream;
  let lab: Lab;
  let front: Front;
  beforeAll(async () => {
    if (!isHere) return;
    sockets = startSocketUpstream();
    lab = await openLab({
      env: { TRUSTED_PROXIES: "127.0.0.1/32" },
      providers: `  talking: {base_url: "${sockets.origin}", allowed_methods: [GET], allowed_endpoints: ["/*"]}\n`,
    });
    front = await startFront(name, lab.app.port);
  });
  afterAll(async () => {
    await front?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    await sockets?.[Symbol.asyncDispose]();
  });

  /** A request by way of the front, over a connection of its own. */
  async function open(target: string, request: LabRequest = {}, by = front) {
    const method = request.method ?? (request.body === undefined ? "GET" : "POST");
    const client = await connectRaw(by.port, by.isTls);
    const headers: Headers = [["Host", "localhost"], ...(request.headers ?? [])];
    await client.send(requestBytes(target, { token: lab.token, ...request, method, headers }));
    return { client, method };
  }
  async function call(target: string, request: LabRequest = {}, by = front) {
    const { client, method } = await open(target, request, by);
    using _ = client;
    return await client.response({ method });
  }

  const streams: [string, Headers][] = [
    ["a stream", [["Content-Type", "text/event-stream"]]],
    [
      "a stream whose provider asks for buffering",
      [
        ["Content-Type", "text/event-stream"],
        ["X-Accel-Buffering", "yes"],
        ["Cache-Control", "no-transform"],
      ],
    ],
    ["NDJSON", [["Content-Type", "application/x-ndjson"]]],
  ];
  /** How long each of 40 events took from the provider's write to the client, ms. */
  async function delaysOf(headers: Headers, by = front): Promise<number[]> {
    const sentAtMs: number[] = [];
    const events = Array.from({ length: 40 }, (_, n) => event({ n, text: "x".repeat(180) }));
    const paced = events.flatMap((text): Step[] => [
      pause(25),
      (link) => {
        sentAtMs.push(performance.now());
        return link.write(chunk(text));
      },
    ]);
    const start = head(200, [...headers, ["Transfer-Encoding", "chunked"]]);
    lab.upstream.answerNext([readBody(), write(start), ...paced, write(chunk(""))]);
    const answer = await call("/v1/chat/completions", { body: "{}" }, by);
    expect([answer.complete, answer.body.text()]).toEqual([true, events.join("")]);
    const { arrivals } = answer.body;
    return sentAtMs.map((atMs, n) => {
      const arrival = arrivals.find(({ bytes }) => bytes.includes(`{"n":${n},`));
      return (arrival?.atMs ?? Number.POSITIVE_INFINITY) - atMs;
    });
  }

  /** Of a stream that lasts for a second: gathered, its first event is a second late. */
  const lateMs = 500;
  test.skipIf(!isHere).each(streams)("40 events of %s arrive one by one (STR-108)", async (_, headers) => {
    const delays = (await delaysOf(headers)).toSorted((a, b) => a - b);
    expect(delays[20]).toBeLessThan(150);
    expect(delays.at(-1)).toBeLessThan(lateMs);
  });

  test.skipIf(!isHere || name !== "nginx")(
    "40 events arrive one by one although nginx buffers by default (STR-108)",
    async () => {
      await using bare = await startFront(name, lab.app.port, /proxy_buffering|proxy_ignore_headers/);
      expect(Math.max(...(await delaysOf([["Content-Type", "text/event-stream"]], bare)))).toBeLessThan(150);
      expect(Math.max(...(await delaysOf([["Content-Type", "application/x-ndjson"]], bare)))).toBeGreaterThan(
        150,
      );
    },
  );

  const framings: [string, string, string | undefined][] = [
    ["chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"],
    ["a length", "Content-Length: 5\r\n\r\nhello", "hello"],
    ["the end of the connection", "Connection: close\r\n\r\nhello", "hello"],
    ["both", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n", undefined],
    ["gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", undefined],
  ];
  test.skipIf(!isHere).each(framings)(
    "a body framed by %s has one framing (ENC-103)",
    async (_, bytes, body) => {
      lab.upstream.answerNext([
        readBody(),
        write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n${bytes}`),
        fin(),
      ]);
      const answer = await call("/v1/models", { body: "{}" });
      const fields = ["content-length", "transfer-encoding"].flatMap((field) =>
        headerValues(answer.headers, field),
      );
      expect(fields).toHaveLength(1);
      if (body === undefined) expect(answer.status).toBe(502);
      else expect([answer.status, answer.complete, answer.body.text()]).toEqual([200, true, body]);
    },
  );

  test.skipIf(!isHere)("a stream that the provider cuts tells so here as well (STR-105)", async () => {
    lab.upstream.answerNext([readBody(), write(sseHead(), chunk(event(1))), pause(30), reset()]);
    const answer = await call("/v1/chat/completions", { body: "{}" });
    expect(answer.body.text()).toStartWith(event(1));
    expect(answer.body.text()).toContain('"code":"bad_gateway"');
    // Caddy 2.6 puts a proper end behind what was cut; docs/behind-a-proxy.md says so.
    if (name === "nginx") expect([answer.status, answer.complete]).toEqual([200, false]);
  });

  test.skipIf(!isHere)(
    "a client that goes away takes the provider's connection with it (TMO-103)",
    async () => {
      lab.upstream.answerNext([readBody(), write(sseHead(), chunk(event(1))), hold()]);
      const { client } = await open("/v1/chat/completions", { body: "{}" });
      await client.until("data: 1");
      client.close();
      const close = await lab.upstream.requests.at(-1)!.connection.closed(1_000);
      expect(close.by).toBe("peer");
    },
  );

  test.skipIf(!isHere)("an upload goes on while it comes, and is written nowhere (BOD-107)", async () => {
    const body = randomBytes(4 << 20);
    const seen = lab.upstream.requests.length;
    using client = await connectRaw(front.port, front.isTls);
    const bytes = requestBytes("/v1/files", {
      method: "POST",
      token: lab.token,
      headers: [["Host", "localhost"]],
      body,
    });
    const half = bytes.length - body.length / 2;
    await client.send(bytes.subarray(0, half));
    const arrives = async () => {
      while ((lab.upstream.requests[seen]?.body.length ?? 0) < body.length / 4) await Bun.sleep(5);
    };
    await within(arrives(), 5_000, () => "a quarter of the upload");
    if (front.spoolDirectory !== undefined) expect(filesIn(front.spoolDirectory)).toEqual([]);
    await client.send(bytes.subarray(half));
    expect((await client.response({ method: "POST" })).status).toBe(200);
    expect(lab.upstream.requests[seen]?.body.sha256()).toBe(createHash("sha256").update(body).digest("hex"));
  });

  test.skipIf(!isHere)(
    "paths, queries and 30 KiB of headers arrive as they were sent (HTP-105, HTP-112)",
    async () => {
      const target = "/v1/a%2Fb/%7Euser//c?x=a%2Bb+c%20d&&=1&y";
      const headers: Headers = Array.from({ length: 100 }, (_, n) => [`X-Many_${n}`, "v".repeat(280)]);
      lab.upstream.answerNext(replyJson({}, 200, headers));
      const answer = await call(target, { headers });
      const request = lab.upstream.requests.at(-1)!;
      expect([answer.status, request.target]).toEqual([200, target]);
      for (const [field, value] of headers) {
        expect(headerValue(request.headers, field)).toBe(value);
        expect(headerValue(answer.headers, field)).toBe(value);
      }
    },
  );

  test.skipIf(!isHere)("a provider's X-Accel-Redirect opens nothing", async () => {
    lab.upstream.answerNext(reply(200, [...json, ["X-Accel-Redirect", "/health"]], '{"theirs":1}'));
    const answer = await call("/v1/models");
    expect([answer.status, answer.body.text()]).toEqual([200, '{"theirs":1}']);
  });

  test.skipIf(!isHere)("the log has the client's address, whatever the client says it is", async () => {
    const id = `from-${name}`;
    const scheme = front.isTls ? "https" : "http";
    const curl = Bun.spawn(
      [
        ...["curl", "-sk4", "--interface", "127.0.0.2", `${scheme}://localhost:${front.port}/v1/models`],
        ...["-H", `Authorization: Bearer ${lab.token}`, "-H", `X-Request-ID: ${id}`],
        ...["-H", "X-Forwarded-For: 203.0.113.9", "-H", "Forwarded: for=203.0.113.9"],
      ],
      { stdout: "ignore" },
    );
    expect(await curl.exited).toBe(0);
    const logged = async () => {
      for (;;) {
        const line = lab.app
          .log()
          .split("\n")
          .find((text) => text.includes(id) && text.includes("client_ip"));
        if (line !== undefined) return JSON.parse(line);
        await Bun.sleep(10);
      }
    };
    const line = await within(logged(), 5_000, () => "a line in the log");
    expect([line.client_ip, line.peer_ip]).toEqual(["127.0.0.2", "127.0.0.1"]);
  });

  test.skipIf(!isHere)("a WebSocket is opened, and speaks both ways (HTP-110)", async () => {
    const project = await lab.app.newProject({ provider: "talking" });
    const { token } = await lab.app.newToken(project.id);
    sockets.onMessage((end, message) => end.socket.send(`heard ${message}`));
    const client = await openClient(
      `${front.isTls ? "wss" : "ws"}://localhost:${front.port}/v1/realtime?model=m`,
      {
        headers: { authorization: `Bearer ${token}` },
        tls: { rejectUnauthorized: false },
      },
    );
    client.socket.send("hello");
    expect(await client.received.next()).toBe("heard hello");
    client.socket.close(4_001, "enough");
    expect(await sockets.ends.at(-1)?.closed()).toEqual({ code: 4_001, reason: "enough" });
  });
});

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
}
