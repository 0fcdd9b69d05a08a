import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { startApp } from "../harness/app-in-process.ts";
import { certificates } from "../harness/certificates.ts";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { freePort } from "../harness/free-port.ts";
import { headerValue } from "../harness/http-message.ts";
import { within } from "../harness/mailbox.ts";
import { startProxy } from "../harness/proxy-process.ts";
import { connectRaw, type RawClient } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import {
  chunk,
  event,
  hold,
  pause,
  readBody,
  replyJson,
  sseHead,
  stopReading,
  write,
} from "../harness/upstream-steps.ts";
import { jsonOf, type Lab, openLab, requestBytes } from "./lab.ts";
import { handshake, openClient, startSocketUpstream } from "./socket-lab.ts";

const halfHead = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.example\r\n";
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: api.example\r\n\r\n`;
/** Longer than the runtime lets any connection be idle with the setting of these tests (12 s). */
const quietMs = 14_000;

async function untilClosed(client: RawClient): Promise<number> {
  const startedMs = performance.now();
  const { ending } = await client.response({ deadlineMs: 20_000 });
  expect(["fin", "reset"]).toContain(ending);
  return performance.now() - startedMs;
}

/** At once, as each of them waits for the runtime. */
describe.concurrent("connections that are quiet", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab({ env: { CLIENT_IDLE_TIMEOUT: "3s" } });
    lab.upstream.answer(({ target }) => {
      if (target === "/v1/late") return [readBody(), pause(quietMs), ...replyJson({ late: true })];
      if (target === "/v1/stream")
        return [
          readBody(),
          write(sseHead(), chunk(event(1))),
          pause(quietMs),
          write(chunk(event(2)), chunk("")),
        ];
      return replyJson({ ok: true });
    });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  test("TMO-109 a connection without a whole head is closed, by the hundreds, while others are served; nothing of it stays", async () => {
    await using upstream = await startFakeUpstream();
    const managementPort = await freePort();
    const env = { CLIENT_IDLE_TIMEOUT: "3s", MANAGEMENT_LISTEN_ADDR: `127.0.0.1:${managementPort}` };
    await using proxy = await startProxy({ upstream: upstream.origin, env });
    const [files, rss] = [proxy.openFiles(), proxy.rssBytes()];
    const ports = Array.from({ length: 200 }, (_, index) => (index % 4 === 0 ? managementPort : proxy.port));
    const clients = await Promise.all(ports.map((port) => connectRaw(port)));
    await Promise.all(clients.map((client, index) => client.send(index % 8 < 6 ? halfHead : "")));

    const startedMs = performance.now();
    expect((await fetch(`${proxy.origin}/health`)).status).toBe(200);
    expect(performance.now() - startedMs).toBeLessThan(500);
    const tookMs = await Promise.all(clients.map(untilClosed));
    expect(Math.max(...tookMs)).toBeLessThan(17_000);
    expect(proxy.openFiles() - files).toBeLessThan(5);
    expect(proxy.rssBytes() - rss).toBeLessThan(16 << 20);
  }, 30_000);

  test("TMO-109 a connection without a whole head is closed on TLS too, whether it began to speak TLS or not", async () => {
    using home = temporaryDirectory();
    const [TLS_CERT_FILE, TLS_KEY_FILE] = [join(home.path, "cert.pem"), join(home.path, "key.pem")];
    await Bun.write(TLS_CERT_FILE, certificates.server);
    await Bun.write(TLS_KEY_FILE, certificates.key);
    const env = { CLIENT_IDLE_TIMEOUT: "3s", ENABLE_TLS: "true", TLS_CERT_FILE, TLS_KEY_FILE };
    await using app = await startApp({ upstream: "http://127.0.0.1:9", env });
    const clients = await Promise.all([true, true, false, false].map((tls) => connectRaw(app.port, tls)));
    await Promise.all(
      clients.map((client, index) => client.send([halfHead, "", "\x16\x03\x01\x02", ""][index] ?? "")),
    );
    await Promise.all(clients.map(untilClosed));
  }, 30_000);

  test("TMO-109 a connection without a whole head is closed when it idles after an answer, as is one whose next head stays half", async () => {
    await using lab = await openLab({ env: { CLIENT_IDLE_TIMEOUT: "3s" } });
    const paths = ["/health", "/v1/models", "/v1/models"];
    const clients = await Promise.all(paths.map(() => connectRaw(lab.app.port)));
    const bearer = `Authorization: Bearer ${lab.token}\r\n`;
    for (const [index, client] of clients.entries()) {
      await client.send(get(paths[index] ?? "").replace("\r\n\r\n", `\r\n${bearer}\r\n`));
      expect((await client.response()).status).toBe(200);
    }
    await clients[2]?.send(halfHead);
    expect(Math.max(...(await Promise.all(clients.map(untilClosed))))).toBeLessThan(9_000);
  }, 20_000);
  test("TMO-101 TMO-106 silence is no fault before the headers of an answer", async () => {
    const response = await lab.call("/v1/late", { body: "{}", deadlineMs: 20_000 });
    expect([response.status, response.complete, jsonOf(response)]).toEqual([200, true, { late: true }]);
  }, 30_000);

  test("TMO-101 TMO-106 silence is no fault in the middle of a stream", async () => {
    const response = await lab.call("/v1/stream", { body: "{}", deadlineMs: 20_000 });
    expect([response.complete, response.body.text()]).toEqual([true, "data: 1\n\ndata: 2\n\n"]);
  }, 30_000);

  test("TMO-101 TMO-106 silence is no fault of an upload that is held, one that is streamed, and one in chunks", async () => {
    const upload = async (lines: string, first: string, last: string, bytes: number) => {
      using client = await connectRaw(lab.app.port);
      const bearer = `Authorization: Bearer ${lab.token}\r\nX-Bytes: ${bytes}\r\n`;
      await client.send(
        `POST /v1/up HTTP/1.1\r\nHost: x.example\r\n${bearer}${lines}\r\n\r\n${first}`,
        quietMs,
        last,
      );
      expect((await client.response()).status).toBe(200);
      const request = lab.upstream.requests.find(
        ({ headers }) => headerValue(headers, "x-bytes") === `${bytes}`,
      );
      expect((await request?.wholeBody())?.length).toBe(bytes);
    };
    const [some, rest] = ["s".repeat(1_000), "r".repeat(1_999_000)];
    await Promise.all([
      upload("Content-Length: 1001", some, "x", 1_001),
      upload("Content-Length: 2000000", some, rest, 2_000_000),
      upload("Transfer-Encoding: chunked", `3e8\r\n${some}\r\n`, "1\r\nx\r\n0\r\n\r\n", 1_001),
    ]);
  }, 30_000);

  test("TMO-101 TMO-106 silence is no fault of an upload that comes slowly", async () => {
    using client = await connectRaw(lab.app.port);
    const head = requestBytes("/v1/slow", {
      method: "POST",
      token: lab.token,
      headers: [["Content-Length", "120000"]],
    });
    const pieces = Array.from({ length: 12 }, () => [Buffer.alloc(10_000, "s"), 1_000]).flat();
    await client.send(head, ...pieces);
    expect((await client.response()).status).toBe(200);
  }, 30_000);

  test("TMO-101 TMO-106 silence is no fault of a WebSocket", async () => {
    await using upstream = startSocketUpstream();
    await using app = await startApp({ upstream: upstream.origin, env: { CLIENT_IDLE_TIMEOUT: "3s" } });
    const { token } = await app.newToken((await app.newProject()).id);
    const headers = { authorization: `Bearer ${token}` };
    const client = await openClient(`ws://127.0.0.1:${app.port}/v1/realtime`, { headers });
    await Bun.sleep(quietMs);
    upstream.ends[0]?.socket.send("still here");
    expect(await client.received.next()).toBe("still here");
    client.socket.close();
  }, 30_000);

  test("TMO-101 TMO-106 silence is no fault of a handshake that fails", async () => {
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/realtime", { token: "sk-wt-wrong", headers: handshake }));
    expect((await client.response()).status).toBe(401);
  });
});

describe("TMO-106 an upload that stops is refused, and what it held is freed", () => {
  let lab: Lab;
  let strictToken: string;
  beforeAll(async () => {
    const providers =
      "  strict:\n    base_url: $UPSTREAM\n    allowed_methods: [POST]\n    allowed_endpoints: ['/*']\n    auth: {scheme: bearer}\n    param_whitelist: {model: ['*']}\n";
    lab = await openLab({ providers, env: { CLIENT_BODY_TIMEOUT: "400ms" } });
    const strict = await lab.app.newProject({ provider: "strict" });
    strictToken = (await lab.app.newToken(strict.id)).token;
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const inFlight = async () => {
    const text = await (await fetch(`${lab.app.origin}/metrics/prometheus`)).text();
    return /llm_proxy_requests_in_flight (\d+)/.exec(text)?.[1];
  };

  const uploads: readonly {
    readonly what: string;
    readonly framing: string;
    readonly first: string;
    readonly isChecked?: true;
  }[] = [
    { what: "a body that is held", framing: "Content-Length: 2000", first: "{" },
    { what: "a body that passes", framing: "Content-Length: 9000000", first: "x".repeat(70_000) },
    { what: "a body in chunks", framing: "Transfer-Encoding: chunked", first: "3\r\nabc\r\n" },
    { what: "a body of which nothing comes", framing: "Content-Length: 9000000", first: "" },
    { what: "a body that a policy reads", framing: "Content-Length: 2000000", first: "{", isChecked: true },
  ];
  test.each(uploads)("$what", async ({ framing, first, isChecked }) => {
    const before = lab.upstream.connections.length;
    using client = await connectRaw(lab.app.port);
    const bearer = `Authorization: Bearer ${isChecked ? strictToken : lab.token}\r\n`;
    const startedMs = performance.now();
    await client.send(`POST /v1/files HTTP/1.1\r\nHost: x.example\r\n${bearer}${framing}\r\n\r\n${first}`);
    const response = await client.response();
    expect([response.status, headerValue(response.headers, "x-llm-proxy-error")]).toEqual([
      408,
      "request_timeout",
    ]);
    expect(performance.now() - startedMs).toBeGreaterThan(390);
    expect(headerValue(response.headers, "connection")).toBe("close");
    expect((await client.response()).ending).not.toBe("timeout");
    const opened = lab.upstream.connections.slice(before);
    if (isChecked) expect(opened).toEqual([]);
    for (const connection of opened) expect((await connection.closed()).by).toBe("peer");
    expect(await inFlight()).toBe("0");
    expect(await lab.app.manage("GET", "/requests?page_size=1")).toMatchObject({
      json: { requests: [{ status: 408, outcome: "refused", error_code: "request_timeout" }] },
    });
  });

  test("one of a management call", async () => {
    using client = await connectRaw(lab.app.port);
    const bearer = `Authorization: Bearer ${lab.app.managementToken}\r\n`;
    await client.send(
      `POST /manage/projects HTTP/1.1\r\nHost: x\r\n${bearer}Content-Length: 100\r\n\r\n{"name":`,
    );
    const response = await client.response();
    expect([response.status, jsonOf(response).code]).toEqual([408, "request_timeout"]);
    expect((await client.response()).ending).not.toBe("timeout");
  });

  test("but not one that the provider does not read", async () => {
    lab.upstream.answerNext([stopReading(), hold()]);
    using client = await connectRaw(lab.app.port);
    const body = Buffer.alloc(60 << 20, "x");
    void client.send(requestBytes("/v1/unread", { method: "POST", token: lab.token, body }));
    let request = await lab.upstream.nextRequest();
    while (request.target !== "/v1/unread") request = await lab.upstream.nextRequest();
    const { connection } = request;
    await Bun.sleep(2_000);
    expect([connection.close, client.arrivals]).toEqual([undefined, []]);
    client.reset();
    const left = async () => {
      while ((await inFlight()) !== "0") await Bun.sleep(10);
    };
    await within(left(), 2_000, () => "end of the request");
  });

  test("nor one that comes slowly", async () => {
    const slowly = async (length: number, step: number) => {
      using client = await connectRaw(lab.app.port);
      const headers = [["Content-Length", `${length}`]] as const;
      const pieces = Array.from({ length: length / step }, () => [Buffer.alloc(step, "s"), 150]).flat();
      await client.send(requestBytes("/v1/files", { method: "POST", token: lab.token, headers }), ...pieces);
      expect((await client.response()).status).toBe(200);
    };
    await Promise.all([slowly(12_000, 2_000), slowly(1_200_000, 100_000)]);
  });
});
