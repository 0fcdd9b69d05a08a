import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { startApp } from "../harness/app-in-process.ts";
import { certificates } from "../harness/certificates.ts";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue } from "../harness/http-message.ts";
import { startProxy } from "../harness/proxy-process.ts";
import { connectRaw, exchange } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { hold, write } from "../harness/upstream-steps.ts";
import { type LabRequest, requestBytes } from "./lab.ts";
import {
  type ClientEnd,
  handshake,
  keyed,
  openClient,
  openSocketLab,
  type SocketLab,
  startSocketUpstream,
  type UpstreamEnd,
} from "./socket-lab.ts";

let lab: SocketLab;
beforeAll(async () => {
  lab = await openSocketLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

describe("messages pass unchanged", () => {
  test("text and bytes, empty and 1 MiB, both ways and in their order", async () => {
    const { client, provider } = await lab.pair();
    const messages = [
      "",
      "å∫ç 😀",
      Buffer.alloc(0),
      randomBytes(1 << 20),
      "x".repeat(70_000),
      randomBytes(3),
    ];
    for (const message of messages) client.socket.send(message);
    for (const message of messages) expect(await provider.received.next()).toEqual(message);
    for (const message of messages) provider.socket.send(message);
    for (const message of messages) expect(await client.received.next()).toEqual(message);
    for (let count = 0; count < 500; count++) {
      client.socket.send(`up ${count}`);
      provider.socket.send(`down ${count}`);
    }
    for (let count = 0; count < 500; count++) {
      expect(await provider.received.next()).toBe(`up ${count}`);
      expect(await client.received.next()).toBe(`down ${count}`);
    }
    client.socket.close();
  });

  test("what the provider says at once when it opens is not lost", async () => {
    lab.upstream.onOpen(({ socket }) => {
      socket.send("hello");
      socket.send(Buffer.from([7]));
    });
    for (let round = 0; round < 20; round++) {
      const { client } = await lab.pair();
      expect([await client.received.next(), await client.received.next()]).toEqual([
        "hello",
        Buffer.from([7]),
      ]);
      client.socket.close();
    }
    lab.upstream.onOpen(() => {});
  });

  test("a ping of the client reaches the provider", async () => {
    const { client, provider } = await lab.pair();
    client.socket.ping("are you there");
    expect(await provider.pings.next()).toBe("are you there");
    client.socket.close();
  });

  test.each(["client", "provider"])(
    "a message of more than 16 MiB from the %s ends it with 1009",
    async (side) => {
      const { client, provider } = await lab.pair();
      const sender: ClientEnd | UpstreamEnd = side === "client" ? client : provider;
      sender.socket.send(Buffer.alloc(16 << 20));
      const receiver = side === "client" ? provider : client;
      expect((await receiver.received.next()).length).toBe(16 << 20);
      sender.socket.send(Buffer.alloc((16 << 20) + 1));
      expect([(await client.closed()).code, (await provider.closed()).code]).toEqual([1009, 1009]);
      expect(receiver.received.all).toHaveLength(1);
    },
  );
});

describe("what the runtime does by itself (docs/limits.md)", () => {
  /** A provider that writes these bytes after its 101. */
  async function startRawUpstream(after: readonly Buffer[], isProtocolChosen = true) {
    return await startFakeUpstream({
      answer({ headers }) {
        const key = headerValue(headers, "sec-websocket-key") ?? "";
        const accept = createHash("sha1")
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest("base64");
        const [offered] = (headerValue(headers, "sec-websocket-protocol") ?? "").split(", ");
        const lines = [
          "HTTP/1.1 101 Switching Protocols",
          "Connection: Upgrade",
          "Upgrade: websocket",
          "X-Own: 1",
          `Sec-WebSocket-Accept: ${accept}`,
          ...(isProtocolChosen && offered ? [`Sec-WebSocket-Protocol: ${offered}`] : []),
        ];
        return [write(`${lines.join("\r\n")}\r\n\r\n`, ...after), hold()];
      },
    });
  }
  async function appBefore(upstream: { readonly origin: string }) {
    const app = await startApp({ upstream: upstream.origin });
    const { token } = await app.newToken((await app.newProject()).id);
    return { app, options: { headers: { authorization: `Bearer ${token}` } }, token };
  }

  test("a message in two frames comes in one, and headers of the provider's handshake do not come", async () => {
    const frames = Buffer.from([0x01, 3, ...Buffer.from("one"), 0x80, 3, ...Buffer.from("two")]);
    await using upstream = await startRawUpstream([frames]);
    const { app, token } = await appBefore(upstream);
    await using _ = app;
    using client = await connectRaw(app.port);
    await client.send(requestBytes("/v1/realtime", { token, headers: handshake }));
    await client.until("onetwo");
    const bytes = Buffer.concat(client.arrivals.map((arrival) => arrival.bytes));
    expect(bytes.toString("latin1")).toEndWith("\r\n\r\n\x81\x06onetwo");
    expect(bytes.toString("latin1").toLowerCase()).not.toContain("x-own");
  });

  test("a ping of the provider is answered here", async () => {
    await using upstream = await startRawUpstream([Buffer.from([0x89, 2, 0x68, 0x69])]);
    const { app, options } = await appBefore(upstream);
    await using _ = app;
    const client = await openClient(`ws://127.0.0.1:${app.port}/v1/realtime`, options);
    const { connection } = await upstream.nextRequest();
    const hasPong = () => connection.unclaimed.includes(0x8a);
    while (!hasPong()) await Bun.sleep(5);
    client.socket.close();
  });

  test("a provider that chooses no subprotocol although some were offered is 502", async () => {
    await using upstream = await startRawUpstream([], false);
    const { app, token } = await appBefore(upstream);
    await using _ = app;
    const headers: LabRequest["headers"] = [...handshake, ["Sec-WebSocket-Protocol", "realtime"]];
    const answer = await exchange(app.port, requestBytes("/v1/realtime", { token, headers }));
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([502, "bad_gateway"]);
  });

  test("compression is not offered to the provider, nor taken from the client", async () => {
    const { client } = await lab.pair();
    expect(client.socket.extensions).toBe("");
    expect(lab.upstream.handshakes.at(-1)?.headers.get("sec-websocket-extensions")).toBeNull();
    client.socket.close();
  });
});

describe("back-pressure", () => {
  const piece = Buffer.alloc(256 * 1024, 1);
  const pieces = 200;
  /** Until a count stands still for a while. */
  async function settled(count: () => number): Promise<number> {
    for (let last = -1; ; ) {
      if (count() === last) return last;
      last = count();
      await Bun.sleep(300);
    }
  }

  test("a client that does not read stops the provider after a few MB, and later gets all", async () => {
    const { client, provider } = await lab.pair();
    client.socket.pause();
    for (let count = 0; count < pieces; count++) provider.socket.send(piece);
    const waiting = await settled(() => provider.socket.getBufferedAmount());
    expect(waiting).toBeGreaterThan(pieces * piece.length - (24 << 20));
    client.socket.resume();
    for (let count = 0; count < pieces; count++)
      expect(await client.received.next()).toHaveLength(piece.length);
    client.socket.close();
  });

  test("a provider that does not read stops the client, and later gets all", async () => {
    const { client, provider } = await lab.pair();
    provider.socket.pause();
    for (let count = 0; count < pieces; count++) client.socket.send(piece);
    const waiting = await settled(() => client.socket.bufferedAmount);
    expect(waiting).toBeGreaterThan(pieces * piece.length - (24 << 20));
    provider.socket.resume();
    for (let count = 0; count < pieces; count++)
      expect(await provider.received.next()).toHaveLength(piece.length);
    client.socket.close();
  });
});

test("a provider behind TLS is trusted by the authority that its entry names, and by no other", async () => {
  await using upstream = startSocketUpstream({ cert: certificates.server, key: certificates.key });
  using directory = temporaryDirectory();
  const ca = join(directory.path, "ca.pem");
  await Bun.write(ca, certificates.ca);
  const secured = `{base_url: "${upstream.origin}", allowed_methods: [GET], allowed_endpoints: ["/*"]`;
  const providers = `  trusted: ${secured}, tls: {ca_file: ${ca}}}\n  untrusted: ${secured}}\n`;
  await using app = await startApp({ upstream: upstream.origin, providers });
  const open = async (provider: string) => {
    const { token } = await app.newToken((await app.newProject({ provider })).id);
    return await openClient(`ws://127.0.0.1:${app.port}/v1/realtime`, { protocols: [keyed(token)] });
  };
  const client = await open("trusted");
  client.socket.send("over TLS");
  expect(await upstream.ends.at(-1)?.received.next()).toBe("over TLS");
  client.socket.close();
  await expect(open("untrusted")).rejects.toThrow("502");
});

test("in the compiled binary: bytes both ways, a revocation within a second, and a stop", async () => {
  await using upstream = startSocketUpstream();
  await using proxy = await startProxy({ upstream: upstream.origin });
  const project = await proxy.newProject();
  const open = async () => {
    const { token, id } = await proxy.newToken(project.id);
    const protocols = ["realtime", keyed(token)];
    const client = await openClient(`ws://127.0.0.1:${proxy.port}/v1/realtime?model=m`, { protocols });
    return { client, provider: upstream.ends.at(-1)!, id };
  };
  const first = await open();
  const bytes = randomBytes(1 << 20);
  first.client.socket.send(bytes);
  expect(await first.provider.received.next()).toEqual(bytes);
  first.provider.socket.send(bytes);
  expect(await first.client.received.next()).toEqual(bytes);
  await proxy.manage("DELETE", `/tokens/${first.id}`);
  const revokedAtMs = performance.now();
  expect(await first.client.closed()).toEqual({ code: 1008, reason: "token_inactive" });
  expect(performance.now() - revokedAtMs).toBeLessThan(1_000);
  const second = await open();
  const [finished, closed] = await Promise.all([proxy.stop(), second.client.closed()]);
  expect([finished.code, closed.code]).toEqual([0, 1001]);
}, 15_000);
