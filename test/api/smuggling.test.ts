import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connectRaw } from "../harness/raw-client.ts";
import { managementToken, startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    pipeline: async (request) => new Response(await request.text().catch(() => "broken")),
  });
});
afterAll(() => server[Symbol.asyncDispose]());

/** Rides behind each request; it must never be answered where the framing before it is in doubt. */
const rider = `GET /manage/projects HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${managementToken}\r\n\r\n`;

/** Everything that comes back on one connection until it closes, or nothing more comes. */
async function send(path: string, rest: string): Promise<{ statuses: number[]; isClosed: boolean }> {
  using client = await connectRaw(server.port);
  await client.send(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${managementToken}\r\n${rest}`,
  );
  const statuses: number[] = [];
  for (;;) {
    const { status, ending } = await client.response({ method: "POST", deadlineMs: 300 });
    if (!Number.isNaN(status)) statuses.push(status);
    if (ending !== "complete") return { statuses, isClosed: ending !== "timeout" };
  }
}

const chunked = "Transfer-Encoding: chunked\r\n";
const doubtful: [string, string][] = [
  [
    "length and chunks, the rider in the length",
    `Content-Length: ${5 + rider.length}\r\n${chunked}\r\n0\r\n\r\n`,
  ],
  ["chunks and length", `${chunked}Content-Length: 4\r\n\r\n0\r\n\r\n`],
  ["two lengths", `Content-Length: 3\r\nContent-Length: ${3 + rider.length}\r\n\r\nabc`],
  ["a list of lengths", "Content-Length: 5, 5\r\n\r\nabcde"],
  ["a length with a sign", "Content-Length: +3\r\n\r\nabc"],
  ["a negative length", "Content-Length: -1\r\n\r\n"],
  ["a hexadecimal length", "Content-Length: 0x3\r\n\r\nabc"],
  ["an empty length", "Content-Length:\r\n\r\n"],
  ["a length past all numbers", "Content-Length: 99999999999999999999\r\n\r\nabc"],
  ["a blank before the colon of the length", "Content-Length : 3\r\n\r\nabc"],
  ["chunked, identity", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"],
  ["gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
  ["xchunked", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
  ["two codings", `${chunked}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n`],
  ["a blank before the colon of the coding", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"],
  ["a folded coding", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"],
  ["a folded line", "A: b\r\n Content-Length: 9\r\nContent-Length: 3\r\n\r\nabc"],
  ["a line that ends in LF", "A: b\nContent-Length: 3\r\n\r\nabc"],
  ["a line that ends in CR", "A: b\rContent-Length: 3\r\n\r\n"],
  ["a NUL in a name", "A\0b: c\r\nContent-Length: 3\r\n\r\nabc"],
  ["a NUL in a value", "A: c\0d\r\nContent-Length: 3\r\n\r\nabc"],
  ["a line without a colon", "NoColon\r\n\r\n"],
];
const brokenChunks: [string, string][] = [
  ["0x5", "0x5\r\nabcde\r\n0\r\n\r\n"],
  ["+5", "+5\r\nabcde\r\n0\r\n\r\n"],
  ["a blank behind the size", "5 \r\nabcde\r\n0\r\n\r\n"],
  ["-1", "-1\r\nabcde\r\n0\r\n\r\n"],
  ["a size past all numbers", "fffffffffffffffff1\r\nabcde\r\n0\r\n\r\n"],
  ["LF alone", "5\nabcde\n0\n\n"],
  ["no line end behind the data", "5\r\nabcde0\r\n\r\n"],
  ["a last chunk with something behind it", "0\r\nXX"],
];

describe.each(["/v1/a", "/manage/projects"])("SEC-101: to %s", (path) => {
  test.each(doubtful)("%s: refused with 400, the connection closed", async (_, rest) => {
    expect(await send(path, rest + rider)).toEqual({ statuses: [400], isClosed: true });
  });

  test.each(brokenChunks)("chunks with %s: no answer to what rides behind", async (_, rest) => {
    const { statuses, isClosed } = await send(path, `${chunked}\r\n${rest}${rider}`);
    expect(isClosed).toBe(true);
    expect(statuses.at(-1)).toBe(400);
    expect(statuses.length).toBeLessThanOrEqual(2); // its own, where its body had ended before the fault
  });
});

test("SEC-101: chunks in HTTP/1.0 are refused", async () => {
  using client = await connectRaw(server.port);
  await client.send(`POST /v1/a HTTP/1.0\r\nHost: localhost\r\n${chunked}\r\n0\r\n\r\n${rider}`);
  const { status } = await client.response();
  expect(status).toBe(400);
  expect((await client.response()).ending).toBe("fin");
});

describe("what is framed in no doubt is one request, and the next one another", () => {
  test.each([
    ["a length", "Content-Length: 3\r\n\r\nabc"],
    ["the same length twice", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"],
    ["chunks", `${chunked}\r\n3\r\nabc\r\n0\r\n\r\n`],
    ["chunks with an extension", `${chunked}\r\n3;a=b\r\nabc\r\n0\r\n\r\n`],
    ["chunks, in capitals", "Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
  ])("%s", async (_, rest) => {
    expect((await send("/v1/a", rest + rider)).statuses).toEqual([200, 200]);
  });
});

test("a body that is refused unread is not taken for a request", async () => {
  using client = await connectRaw(server.port);
  await client.send(
    `POST /manage/projects HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${rider.length}\r\n\r\n${rider}`,
  );
  expect((await client.response({ method: "POST" })).status).toBe(401);
  expect((await client.response({ deadlineMs: 300 })).status).toBeNaN();
});
