import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { type ListenAddress, listen } from "../../src/server/listener.ts";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw, exchange } from "../harness/raw-client.ts";
import { startServer } from "./test-server.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

function tryListen(address: ListenAddress) {
  return listen({
    address,
    surface: "all",
    idleTimeoutS: 0,
    handle: () => new Response(),
    onFault: () => {},
  });
}

test("OPS-101: a port that another server has is refused, with the address and what to do", async () => {
  await using first = await startServer();
  for (const hostname of ["127.0.0.1", "0.0.0.0", ""]) {
    const second = tryListen({ hostname, port: first.port });
    expect(second).toMatchObject({ ok: false, error: { code: "address_in_use" } });
    if (!second.ok) {
      expect(second.error.message).toContain(`:${first.port}`);
      expect(second.error.message).toContain("in use");
    }
  }
  for (let index = 0; index < 50; index++)
    expect((await fetch(`${first.base}/v1/models`)).headers.get("x-plane")).toBe("data");
});

test("OPS-101: a port that another program has is refused", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  expect(tryListen({ hostname: "127.0.0.1", port })).toMatchObject({
    ok: false,
    error: { code: "address_in_use" },
  });
  await new Promise((resolve) => other.close(resolve));
});

test("an address of another machine is refused by its name", () => {
  const listening = tryListen({ hostname: "203.0.113.5", port: 0 });
  expect(listening).toMatchObject({ ok: false, error: { code: "address_unavailable" } });
  if (!listening.ok) expect(listening.error.message).toContain("203.0.113.5");
});

test("a host name is looked up, and no name at all is every address", async () => {
  for (const hostname of ["localhost", ""]) {
    const listening = tryListen({ hostname, port: 0 });
    expect(listening.ok).toBe(true);
    if (!listening.ok) continue;
    expect((await fetch(`http://localhost:${listening.value.port}/`)).status).toBe(200);
    await listening.value.stop(0);
  }
});

test("what a handler fails to catch is told, and answered without a page", async () => {
  const faults: unknown[] = [];
  const listening = listen({
    address: { hostname: "127.0.0.1", port: 0 },
    surface: "all",
    idleTimeoutS: 0,
    handle: () => {
      throw new Error("secret in a message");
    },
    onFault: (fault) => faults.push(fault),
  });
  if (!listening.ok) throw new Error(listening.error.message);
  const response = await fetch(`http://127.0.0.1:${listening.value.port}/`);
  expect([response.status, await response.text()]).toEqual([500, ""]);
  expect(faults).toHaveLength(1);
  await listening.value.stop(0);
});

/** A server whose `/slow` waits, and whose `/stream` sends a byte and waits, until `finish` is called. */
async function startSlow() {
  const gate = Promise.withResolvers<void>();
  const slowCame = Promise.withResolvers<void>();
  const server = await startServer({
    pipeline: async (_, { path }) => {
      if (path === "/quick") return new Response("quick");
      if (path === "/slow") {
        slowCame.resolve();
        await gate.promise;
        return new Response("slow");
      }
      const encoder = new TextEncoder();
      return new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(encoder.encode("first"));
            await gate.promise;
            controller.enqueue(encoder.encode("last"));
            controller.close();
          },
        }),
      );
    },
  });
  return { server, finish: gate.resolve, slowCame: slowCame.promise };
}

test("a stop lets requests and streams end, and takes no new connection", async () => {
  const { server, finish, slowCame } = await startSlow();
  await using _ = server;
  using slow = await connectRaw(server.port);
  using stream = await connectRaw(server.port);
  await slow.send(get("/slow"));
  await stream.send(get("/stream"));
  await stream.until("first");
  await slowCame;

  const stopping = server.listener.stop(10_000);
  expect(connectRaw(server.port)).rejects.toThrow();
  finish();
  expect((await slow.response()).body.text()).toBe("slow");
  const streamed = await stream.response();
  expect([streamed.complete, streamed.body.text()]).toEqual([true, "firstlast"]);
  expect(await stopping).toBe("ended");
});

test("a connection that is kept open idle does not hold the stop, and is closed", async () => {
  const { server } = await startSlow();
  await using _ = server;
  using kept = await connectRaw(server.port);
  await kept.send(get("/quick"));
  expect((await kept.response()).status).toBe(200);
  expect(await server.listener.stop(10_000)).toBe("ended");
  expect((await kept.response()).ending).toBe("fin");
});

test("a connection is closed behind the request that was under way", async () => {
  const { server, finish, slowCame } = await startSlow();
  await using _ = server;
  using client = await connectRaw(server.port);
  await client.send(get("/slow"));
  await slowCame;
  const stopping = server.listener.stop(10_000);
  finish();
  expect((await client.response()).status).toBe(200);
  expect((await client.response()).ending).toBe("fin");
  expect(await stopping).toBe("ended");
});

test("when the time is over what is left is cut, without a clean end", async () => {
  const { server } = await startSlow();
  await using _ = server;
  using stream = await connectRaw(server.port);
  await stream.send(get("/stream"));
  await stream.until("first");
  expect(await server.listener.stop(50)).toBe("cut");
  expect((await stream.response()).complete).toBe(false);
});

test("a second stop cuts at once what the first waits for", async () => {
  const { server } = await startSlow();
  await using _ = server;
  using slow = await connectRaw(server.port);
  using stream = await connectRaw(server.port);
  await slow.send(get("/slow"));
  await stream.send(get("/stream"));
  await stream.until("first");
  const first = server.listener.stop(60_000);
  expect(await server.listener.stop(0)).toBe("cut");
  expect(await first).toBe("ended");
  expect((await slow.response()).complete).toBe(false);
});

test("the data listener has no management, the other one nothing else", async () => {
  await using data = await startServer({ surface: "data" });
  await using management = await startServer({ surface: "management" });
  for (const path of [
    "/manage/projects",
    "/docs",
    "/docs/json",
    "/metrics",
    "/metrics/prometheus",
    "/admin",
  ]) {
    const { status, json } = await data.call("GET", path);
    expect([path, status, json.code]).toEqual([path, 404, "not_found"]);
  }
  for (const path of ["/health", "/ready", "/live"]) {
    expect((await data.call("GET", path)).status).toBe(200);
    expect((await management.call("GET", path)).status).toBe(200);
  }
  expect((await data.call("GET", "/v1/models")).text).toBe("the data plane");
  for (const path of ["/v1/models", "/", "/x/manage/projects"]) {
    const { status, json } = await management.call("GET", path);
    expect([path, status, json.code]).toEqual([path, 404, "not_found"]);
  }
  expect(management.seen).toEqual([]);
  for (const path of ["/manage/projects", "/docs", "/metrics"])
    expect((await management.call("GET", path)).status).toBe(200);
});

test("our own answers say so, and are not sniffed", async () => {
  await using server = await startServer();
  const { headers } = await exchange(server.port, get("/health"));
  expect(headerValue(headers, "x-proxy")).toBe("llm-proxy");
  expect(headerValue(headers, "x-content-type-options")).toBe("nosniff");
});
