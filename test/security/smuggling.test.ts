import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { connectRaw } from "../harness/raw-client.ts";

let upstream: FakeUpstream;
let proxy: ProxyProcess;
let token = "";
beforeAll(async () => {
  upstream = await startFakeUpstream();
  proxy = await startProxy({ upstream: upstream.origin });
  const project = await proxy.newProject({ name: "must-not-be-listed" });
  ({ token } = await proxy.newToken(project.id));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** Rides along behind each request; with a credential, so that only framing keeps it from being answered. */
const rider = () =>
  `GET /manage/projects HTTP/1.1\r\nHost: proxy.example\r\nAuthorization: Bearer ${proxy.managementToken}\r\n\r\n`;

const lines: [string, string, string][] = [
  [
    "both Content-Length and Transfer-Encoding",
    "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    "0\r\n\r\nX",
  ],
  [
    "Transfer-Encoding before Content-Length",
    "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    "0\r\n\r\nX",
  ],
  ["two Content-Length that differ", "Content-Length: 5\r\nContent-Length: 6\r\n", "12345"],
  ["a list of Content-Length", "Content-Length: 5, 6\r\n", "12345"],
  ["a list of equal Content-Length", "Content-Length: 5, 5\r\n", "12345"],
  ["a signed Content-Length", "Content-Length: +5\r\n", "12345"],
  ["a hexadecimal Content-Length", "Content-Length: 0x5\r\n", "12345"],
  ["a negative Content-Length", "Content-Length: -5\r\n", "12345"],
  ["a Content-Length of nothing", "Content-Length: \r\n", "12345"],
  ["chunked, identity", "Transfer-Encoding: chunked, identity\r\n", "5\r\n12345\r\n0\r\n\r\n"],
  ["identity, chunked", "Transfer-Encoding: identity, chunked\r\n", "5\r\n12345\r\n0\r\n\r\n"],
  ["gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", "5\r\n12345\r\n0\r\n\r\n"],
  [
    "two Transfer-Encoding lines",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "5\r\n12345\r\n0\r\n\r\n",
  ],
  ["a blank before the colon", "Transfer-Encoding : chunked\r\n", "5\r\n12345\r\n0\r\n\r\n"],
  ["a tab before the colon", "Transfer-Encoding\t: chunked\r\n", "5\r\n12345\r\n0\r\n\r\n"],
  ["xchunked", "Transfer-Encoding: xchunked\r\n", "5\r\n12345\r\n0\r\n\r\n"],
  ["chunked in quotes", 'Transfer-Encoding: "chunked"\r\n', "5\r\n12345\r\n0\r\n\r\n"],
  ["a vertical tab before chunked", "Transfer-Encoding: \x0bchunked\r\n", "5\r\n12345\r\n0\r\n\r\n"],
  ["something behind the last chunk size", "Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n0\r\nXX"],
  ["a chunk size of 0x5", "Transfer-Encoding: chunked\r\n", "0x5\r\n12345\r\n0\r\n\r\n"],
  ["a chunk size of +5", "Transfer-Encoding: chunked\r\n", "+5\r\n12345\r\n0\r\n\r\n"],
  ["a chunk size of -5", "Transfer-Encoding: chunked\r\n", "-5\r\n12345\r\n0\r\n\r\n"],
  ["a chunk size with a blank", "Transfer-Encoding: chunked\r\n", "5 \r\n12345\r\n0\r\n\r\n"],
  [
    "a chunk size beyond 64 bits",
    "Transfer-Encoding: chunked\r\n",
    "10000000000000005\r\n12345\r\n0\r\n\r\n",
  ],
  ["a chunk longer than its size", "Transfer-Encoding: chunked\r\n", "5\r\n1234567\r\n0\r\n\r\n"],
  ["chunk lines that end with LF", "Transfer-Encoding: chunked\r\n", "5\n12345\n0\n\n"],
  ["a field name with a NUL", "X\0A: 1\r\nContent-Length: 5\r\n", "12345"],
  ["a value with a NUL", "X-A: 1\0\r\nContent-Length: 5\r\n", "12345"],
  ["a value with a bare CR", "X-A: 1\rContent-Length: 0\r\nContent-Length: 5\r\n", "12345"],
  ["a folded line", "X-A: 1\r\n Content-Length: 0\r\nContent-Length: 5\r\n", "12345"],
  ["a line without a colon", "Nonsense\r\nContent-Length: 5\r\n", "12345"],
  ["a line that begins with a blank", " Content-Length: 5\r\n", "12345"],
];

/** Sends a request with a rider; gives all that came back, once the server has closed or has nothing more to say. */
async function ride(request: string) {
  using client = await connectRaw(proxy.port);
  await client.send(Buffer.from(request + rider(), "latin1"));
  client.fin();
  const first = await client.response({ method: "POST", deadlineMs: 1_500 });
  if (first.ending === "complete") await client.response({ deadlineMs: 150 });
  return { first, all: Buffer.concat(client.arrivals.map(({ bytes }) => bytes)).toString("latin1") };
}

describe("a request that can be read in two ways is refused, and the connection closed (SEC-101)", () => {
  const head = () =>
    `POST /v1/smuggled HTTP/1.1\r\nHost: proxy.example\r\nAuthorization: Bearer ${token}\r\n`;

  test.each(lines)("%s", async (_, fields, body) => {
    const before = upstream.requests.length;
    const { first, all } = await ride(`${head()}${fields}\r\n${body}`);
    const seen = upstream.requests.slice(before);

    expect([first.status, first.ending]).toEqual([400, "fin"]);
    expect(all).not.toContain("must-not-be-listed");
    // what was sent on before the fault showed breaks off there as well
    for (const request of seen) {
      expect([request.target, request.body.complete]).toEqual(["/v1/smuggled", false]);
      expect(request.connection.unclaimed).toHaveLength(0);
    }
    const after = await fetch(`${proxy.origin}/health`);
    expect(after.status).toBe(200);
  });

  test("Transfer-Encoding with HTTP/1.0, and line ends that are LF only", async () => {
    const before = upstream.requests.length;
    for (const request of [
      `POST /v1/smuggled HTTP/1.0\r\nHost: proxy.example\r\nAuthorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n`,
      `POST /v1/smuggled HTTP/1.1\nHost: proxy.example\nAuthorization: Bearer ${token}\nContent-Length: 0\n\n`,
    ]) {
      await ride(request);
    }
    const seen = upstream.requests.slice(before);
    expect(seen.length).toBeLessThanOrEqual(2);
    for (const request of seen)
      expect([request.target, request.connection.unclaimed.length]).toEqual(["/v1/smuggled", 0]);
  });

  const riders: [string, string, () => string, number][] = [
    ["goes on", "POST /v1/smuggled", () => token, 200],
    ["belongs to a GET", "GET /v1/smuggled", () => token, 200],
    ["belongs to a HEAD", "HEAD /v1/smuggled", () => token, 200],
    ["belongs to a DELETE", "DELETE /v1/smuggled", () => token, 200],
    ["belongs to a preflight", "OPTIONS /v1/smuggled", () => "", 204],
    ["comes with a bad token", "POST /v1/smuggled", () => "sk-wt-bad", 401],
    ["comes with a method that is not allowed", "TRACE /v1/smuggled", () => token, 405],
    ["comes to management without a token", "POST /manage/projects", () => "", 401],
    ["comes to no route of management", "POST /manage/nothing", () => proxy.managementToken, 404],
    ["comes to a route that takes none", "GET /health", () => "", 200],
  ];
  test.each(riders)(
    "a body that %s is a body, even if it looks like a request",
    async (...[, line, bearer, status]) => {
      const body = rider();
      const method = line.split(" ")[0] ?? "";
      const chunked = `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      for (const framed of [`Content-Length: ${body.length}\r\n\r\n${body}`, chunked]) {
        const before = upstream.requests.length;
        using client = await connectRaw(proxy.port);
        const credential = bearer() && `Authorization: Bearer ${bearer()}\r\n`;
        await client.send(`${line} HTTP/1.1\r\nHost: proxy.example\r\n${credential}${framed}`);
        expect((await client.response({ method })).status).toBe(status);
        expect((await client.response({ deadlineMs: 150 })).headBytes).toHaveLength(0);
        const all = Buffer.concat(client.arrivals.map(({ bytes }) => bytes)).toString();
        expect(all).not.toContain("must-not-be-listed");
        for (const request of upstream.requests.slice(before)) {
          expect([request.target, request.connection.unclaimed.length]).toEqual(["/v1/smuggled", 0]);
          expect([body, ""]).toContain(request.body.text());
        }
      }
    },
  );
});
