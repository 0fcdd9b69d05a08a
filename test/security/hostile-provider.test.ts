import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { type Headers, headerValue } from "../harness/http-message.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { exchange } from "../harness/raw-client.ts";
import type { Step } from "../harness/upstream-connection.ts";
import { fin, flood, head, pause, readBody, reply, write } from "../harness/upstream-steps.ts";
import { requestBytes } from "../proxy/lab.ts";

let upstream: FakeUpstream;
let proxy: ProxyProcess;
let token = "";
beforeAll(async () => {
  upstream = await startFakeUpstream();
  proxy = await startProxy({ upstream: upstream.origin });
  const project = await proxy.newProject();
  await proxy.manage("POST", `/projects/${project.id}/keys`, { api_key: "sk-second-0123456789" });
  ({ token } = await proxy.newToken(project.id, { max_requests: 100_000 }));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const post = (deadlineMs = 10_000) =>
  exchange(proxy.port, requestBytes("/v1/x", { method: "POST", token, body: "{}" }), { deadlineMs });

/** Writes the same text that often. */
const many =
  (text: string, times: number): Step =>
  async (link) => {
    for (let n = 0; n < times; n++) await link.write(text);
  };

describe("a provider that never comes to the point fills no memory", () => {
  const interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(1_000);
  const trailer = `X-Trailer: ${"v".repeat(1_000)}\r\n`.repeat(100);
  const floods: [string, readonly Step[], number][] = [
    ["a status line", [flood(64 << 20), fin()], 502],
    ["a header line", [write("HTTP/1.1 200 OK\r\nX-A: "), flood(64 << 20), fin()], 502],
    ["informational answers", [many(interim, 300), write(`${head(200, [["Content-Length", "2"]])}{}`)], 200],
    [
      "trailers",
      [
        write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"),
        many(trailer, 300),
        write("\r\n"),
      ],
      200,
    ],
    [
      "a chunk extension",
      [
        write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;"),
        flood(32 << 20),
        write("\r\n{}\r\n0\r\n\r\n"),
      ],
      200,
    ],
  ];
  test.each(floods)("%s without an end", async (_, steps, status) => {
    const before = proxy.rssBytes();
    upstream.answerNext([readBody(), ...steps]);
    const answer = await post();
    expect(answer.status).toBe(status);
    expect(proxy.rssBytes() - before).toBeLessThan(32 << 20);
  });
});

describe("bytes behind an answer are nobody's answer", () => {
  const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
  const first: [string, string][] = [
    ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
    ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ["an error that closes", "HTTP/1.1 413 X\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"],
  ];
  test.each(first)("behind %s", async (_, bytes) => {
    for (const steps of [[write(bytes + poison)], [write(bytes), pause(20), write(poison)]]) {
      upstream.answerNext([readBody(), ...steps]);
      await post();
      await Bun.sleep(40); // the rest has come by then
      upstream.answerNext(reply(200, [], "mine"));
      expect((await post()).body.text()).toBe("mine");
    }
  });
});

describe("no time that a provider names is believed too far", () => {
  const times = [
    "9".repeat(30),
    "9".repeat(5_000),
    "-1",
    "NaN",
    "1e400",
    "0x10",
    "5, 5",
    "",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
  ];
  test.each(times)("Retry-After: %p", async (time) => {
    const headers: Headers = [["Retry-After", time]];
    for (const status of [429, 503]) {
      upstream.answerNext(reply(status, headers, "{}"));
      const startedMs = performance.now();
      const answer = await post();
      expect(performance.now() - startedMs).toBeLessThan(2_000);
      // the other key's answer, or the provider's own words
      if (answer.status !== 200)
        expect([answer.status, headerValue(answer.headers, "retry-after")]).toEqual([status, time]);
    }
    expect((await post()).status).toBe(200);
  });
});
