import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { idOf, textAnswer } from "./socket-provider.ts";

describe("connections are used again (RES-106)", () => {
  let proxy: ProxyProcess;
  let token: string;
  let hits: { connections: Set<Socket>; kinds: string[] };
  const scope = new AsyncDisposableStack();

  const bodies: Record<string, (id: string) => string> = {
    length: (id) => textAnswer(id),
    chunked: (id) =>
      `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n${id.length.toString(16)}\r\n${id}\r\n0\r\n\r\n`,
    "204": (id) => `HTTP/1.1 204 No Content\r\nX-Told: ${id}\r\n\r\n`,
    "304": (id) => `HTTP/1.1 304 Not Modified\r\nX-Told: ${id}\r\n\r\n`,
    "400": (id) => textAnswer(id).replace("200 OK", "400 Bad Request"),
    stream: (id) =>
      `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n${(id.length + 8).toString(16)}\r\ndata: ${id}\n\n\r\n0\r\n\r\n`,
  };

  beforeAll(async () => {
    hits = { connections: new Set(), kinds: [] };
    const server = createServer({ noDelay: true }, (socket) => {
      hits.connections.add(socket);
      let unread = "";
      socket.on("error", () => {});
      socket.on("data", (bytes) => {
        unread += bytes.toString("latin1");
        for (let end = unread.indexOf("\r\n\r\n"); end >= 0; end = unread.indexOf("\r\n\r\n")) {
          const head = unread.slice(0, end);
          unread = unread.slice(end + 4);
          const kind = /^\w+ \/v1\/(\S+) /.exec(head)?.[1] ?? "length";
          socket.write((bodies[kind] ?? textAnswer)(idOf(head)));
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    scope.defer(() => {
      for (const socket of hits.connections) socket.destroy();
      server.close();
    });
    const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    proxy = scope.use(await startProxy({ upstream }));
    token = (await proxy.newToken((await proxy.newProject()).id)).token;
  });
  afterAll(() => scope.disposeAsync());

  /** One call of that kind; whether its answer was its own. */
  async function isOwn(kind: string, id: string): Promise<boolean> {
    const answer = await fetch(`${proxy.origin}/v1/${kind}`, {
      headers: { authorization: `Bearer ${token}`, "x-id": id },
    });
    const text = await answer.text();
    return text === id || text === `data: ${id}\n\n` || answer.headers.get("x-told") === id;
  }

  test("one after the other: five connections at most, whatever the answers are", async () => {
    hits.connections.clear();
    const kinds = Object.keys(bodies);
    for (let n = 0; n < 1_200; n++) expect(await isOwn(kinds[n % kinds.length] ?? "", `s-${n}`)).toBe(true);
    expect(hits.connections.size).toBeLessThanOrEqual(5);
  }, 30_000);

  test("50 at once, again and again: about 60 connections, and no answer is mixed up", async () => {
    hits.connections.clear();
    const kinds = Object.keys(bodies);
    for (let round = 0; round < 20; round++) {
      const calls = Array.from({ length: 50 }, (_, n) =>
        isOwn(kinds[(round + n) % kinds.length] ?? "", `p-${round}-${n}`),
      );
      expect(await Promise.all(calls)).not.toContain(false);
    }
    expect(hits.connections.size).toBeLessThanOrEqual(64);
  }, 30_000);
});
