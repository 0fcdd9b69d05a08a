import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { requestBytes } from "../proxy/lab.ts";
import { handshake, type SocketUpstream, startSocketUpstream } from "../proxy/socket-lab.ts";

let upstream: SocketUpstream;
let proxy: ProxyProcess;
let token = "";
beforeAll(async () => {
  upstream = startSocketUpstream();
  proxy = await startProxy({ upstream: upstream.origin });
  const project = await proxy.newProject();
  ({ token } = await proxy.newToken(project.id));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** First byte: FIN, reserved bits and opcode. */
const text = 0x81;
const binary = 0x82;
const close = 0x88;
const ping = 0x89;
const isUnfinished = 0x7f;

/** A masked frame (RFC 6455, 5.2); another length than that of its payload may be claimed. */
function frame(first: number, payload: string | Buffer, claimed?: bigint): Buffer {
  const bytes = Buffer.from(payload);
  const length = Buffer.alloc(claimed === undefined && bytes.length < 126 ? 1 : 9);
  length[0] = 0x80 | (length.length === 1 ? bytes.length : 127);
  if (length.length > 1) length.writeBigUInt64BE(claimed ?? BigInt(bytes.length), 1);
  const mask = [1, 2, 3, 4];
  const masked = bytes.map((byte, n) => byte ^ (mask[n % 4] ?? 0));
  return Buffer.concat([Buffer.from([first]), length, Buffer.from(mask), masked]);
}

/** Opens a session and sends these bytes; gives both ends. */
async function session(...frames: readonly Buffer[]) {
  const client = await connectRaw(proxy.port);
  await client.send(requestBytes("/v1/realtime", { token, headers: handshake }));
  await client.until("\r\n\r\n");
  const end = upstream.ends.at(-1)!;
  await client.send(...frames);
  return { client, end };
}

describe("frames that RFC 6455 forbids end the session on both sides, and nothing of them goes on", () => {
  const forbidden: [string, readonly Buffer[]][] = [
    ["no mask", [Buffer.from([text, 5, ...Buffer.from("hello")])]],
    ["a reserved bit", [frame(text | 0x40, "hello")]],
    ["an unknown opcode", [frame(0x83, "hello")]],
    ["an unknown control opcode", [frame(0x8b, "hello")]],
    ["a length of 2^63", [frame(binary, "", 2n ** 63n)]],
    ["a length of 1 GiB", [frame(binary, "", 1n << 30n)]],
    ["a ping of 126 bytes", [frame(ping, Buffer.alloc(126))]],
    ["a ping in parts", [frame(ping & isUnfinished, "hello")]],
    ["the rest of nothing", [frame(0x80, "hello")]],
    ["two beginnings", [frame(text & isUnfinished, "hel"), frame(text, "lo")]],
    ["text that is no UTF-8", [frame(text, Buffer.from([0xc3, 0x28, 0xff]))]],
    ["half a close code", [frame(close, Buffer.from([3]))]],
    ["a close code that may not be sent", [frame(close, Buffer.from([0x03, 0xed]))]],
    ["a request", [Buffer.from("GET /manage/projects HTTP/1.1\r\nHost: proxy.example\r\n\r\n")]],
  ];
  test.each(forbidden)("%s", async (_, frames) => {
    const { client, end } = await session(...frames);
    using _client = client;
    await end.closed(2_000);
    expect(end.received.all).toEqual([]);
    expect((await fetch(`${proxy.origin}/live`)).status).toBe(200);
  });
});

describe("frames that are odd but right arrive as one message", () => {
  const odd: [string, readonly Buffer[], string][] = [
    ["nothing", [frame(text, "")], ""],
    ["byte by byte", [...frame(text, "hello")].map((byte) => Buffer.from([byte])), "hello"],
    ["a length in more bytes than it needs", [frame(text, "hello", 5n)], "hello"],
    [
      "5,000 empty parts",
      [frame(text & isUnfinished, ""), ...Array(5_000).fill(frame(0, "")), frame(0x80, "hello")],
      "hello",
    ],
    ["5,000 pings before it", [...Array(5_000).fill(frame(ping, "x")), frame(text, "hello")], "hello"],
  ];
  test.each(odd)("%s", async (_, frames, message) => {
    const { client, end } = await session(Buffer.concat(frames.slice(0, 1)), ...frames.slice(1));
    using _client = client;
    expect(await end.received.next()).toBe(message);
  });
});
