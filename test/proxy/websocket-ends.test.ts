import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSqlite } from "../../src/storage/sqlite.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { requestBytes } from "./lab.ts";
import { handshake, openSocketLab, type SocketLab } from "./socket-lab.ts";

let lab: SocketLab;
beforeAll(async () => {
  lab = await openSocketLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

describe("a close on one side is a close on the other", () => {
  const codes: [number, string][] = [
    [1000, ""],
    [1001, "going away"],
    [1008, "policy"],
    [1011, "trouble"],
    [3000, "library"],
    [4001, "my own, with ünïcode"],
  ];
  test.each(codes)("from the client: %i %s", async (code, reason) => {
    const { client, provider } = await lab.pair();
    client.socket.close(code, reason);
    expect(await provider.closed()).toEqual({ code, reason });
  });

  test.each(codes)("from the provider: %i %s, after all that it has said", async (code, reason) => {
    const { client, provider } = await lab.pair();
    for (let count = 0; count < 10; count++) provider.socket.send(Buffer.alloc(100_000, count));
    provider.socket.close(code, reason);
    expect(await client.closed()).toEqual({ code, reason });
    expect(client.received.all).toHaveLength(10);
  });

  test("one without a code becomes 1000", async () => {
    const { client, provider } = await lab.pair();
    client.socket.close();
    expect(await provider.closed()).toEqual({ code: 1000, reason: "" });
  });

  test("a provider that vanishes is 1011 for the client, and upstream_cut in the books", async () => {
    const { token, id } = await lab.tokenOf("lab");
    const { client, provider } = await lab.pair("/v1/realtime", {
      headers: { authorization: `Bearer ${token}` },
    });
    provider.socket.terminate();
    expect((await client.closed()).code).toBe(1011);
    expect((await lab.records(1, id))[0]?.outcome).toBe("upstream_cut");
  });

  test("a client that vanishes closes the provider's within 250 ms, and is client_cancelled in the books", async () => {
    const { token, id } = await lab.tokenOf("lab");
    const { client, provider } = await lab.pair("/v1/realtime", {
      headers: { authorization: `Bearer ${token}` },
    });
    const leftAtMs = performance.now();
    client.socket.terminate();
    expect((await provider.closed()).code).toBe(1001);
    expect(performance.now() - leftAtMs).toBeLessThan(250);
    expect((await lab.records(1, id))[0]?.outcome).toBe("client_cancelled");
  });
});

describe("a frame that breaks the protocol ends the session on both sides", () => {
  const closing = (code: number) => Buffer.from([0x88, 0x82, 0, 0, 0, 0, code >> 8, code & 0xff]);
  test.each([
    ["text that is no UTF-8", Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe])],
    ["a reserved opcode", Buffer.from([0x83, 0x80, 0, 0, 0, 0])],
    ["a close with a code that may not be sent", closing(1006)],
    ["a close with a code that there is not", closing(65_535)],
    ["a length beyond all bounds", Buffer.from([0x82, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
  ])("%s, from the client", async (_, frame) => {
    const { token, id } = await lab.tokenOf("lab");
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/realtime", { token, headers: handshake }));
    await client.until("\r\n\r\n");
    await client.send(frame);
    expect([1001, 1009]).toContain((await lab.upstream.ends.at(-1)!.closed()).code);
    expect((await lab.records(1, id))[0]?.outcome).toBe("client_cancelled");
  });
});

describe("a token that ends, ends its sessions within a second", () => {
  type Own = Awaited<ReturnType<SocketLab["tokenOf"]>>;
  const elsewhere = async (sql: string, id: string) => {
    const other = createSqlite({ path: lab.app.databasePath });
    await other.write([{ sql, values: [id] }]);
    await other.close();
  };
  const ends: [string, string, (own: Own) => Promise<unknown>][] = [
    ["revoked", "token_inactive", ({ id }) => lab.app.manage("DELETE", `/tokens/${id}`)],
    [
      "its project inactive",
      "project_inactive",
      ({ project }) => lab.app.manage("PATCH", `/projects/${project.id}`, { is_active: false }),
    ],
    [
      "revoked by another process",
      "token_inactive",
      ({ id }) => elsewhere("UPDATE tokens SET is_active = 0 WHERE id = ?", id),
    ],
    ["expired", "token_expired", ({ id }) => elsewhere("UPDATE tokens SET expires_at = 1 WHERE id = ?", id)],
  ];
  test.each(ends)("%s: 1008 %s", async (_, reason, finish) => {
    const own = await lab.tokenOf("lab");
    const { client, provider } = await lab.pair("/v1/realtime", {
      headers: { authorization: `Bearer ${own.token}` },
    });
    await finish(own);
    const endedAtMs = performance.now();
    expect(await client.closed()).toEqual({ code: 1008, reason });
    expect(performance.now() - endedAtMs).toBeLessThan(1_000);
    expect(await provider.closed()).toEqual({ code: 1008, reason });
    const [record] = await lab.records(1, own.id);
    expect([record?.status, record?.outcome, record?.error_code]).toEqual([101, "refused", reason]);
  });

  test("a client that does not answer the close is cut", async () => {
    const { token, id } = await lab.tokenOf("lab");
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/realtime", { token, headers: handshake }));
    await client.until("\r\n\r\n");
    await lab.app.manage("DELETE", `/tokens/${id}`);
    await client.until("token_inactive");
    const { ending } = await client.response({ deadlineMs: 2_000 });
    expect(ending).not.toBe("timeout");
  });
});

describe("the books", () => {
  const gauge = async (name: string) => {
    const answer = await fetch(`${lab.app.origin}/metrics`, {
      headers: { accept: "text/plain", authorization: `Bearer ${lab.app.managementToken}` },
    });
    return Number(new RegExp(`^llm_proxy_${name} (\\d+)$`, "m").exec(await answer.text())?.[1]);
  };

  test("one record for each session, and it is under way until it ends", async () => {
    const { token, id } = await lab.tokenOf("lab");
    const before = [await gauge("requests_in_flight"), await gauge("active_streams")];
    const headers = { authorization: `Bearer ${token}` };
    const { client, provider } = await lab.pair("/v1/realtime?model=m", { headers });
    expect([await gauge("requests_in_flight"), await gauge("active_streams")]).toEqual(
      before.map((count) => count + 1),
    );
    client.socket.send("12345");
    await provider.received.next();
    provider.socket.send("å");
    provider.socket.send(Buffer.alloc(10));
    await client.received.next();
    await client.received.next();
    client.socket.close(1000);
    await provider.closed();
    const [record] = await lab.records(1, id);
    expect(record).toMatchObject({
      status: 101,
      outcome: "complete",
      error_code: null,
      stream: true,
      path: "/v1/realtime",
      provider: "lab",
      request_bytes: 5,
      response_bytes: 12,
    });
    expect([await gauge("requests_in_flight"), await gauge("active_streams")]).toEqual(before);
    expect((await lab.app.manage("GET", `/tokens/${id}`)).json.request_count).toBe(1);
  });
});

test("a server that stops closes its sockets with 1001 and waits no longer for them", async () => {
  await using own = await openSocketLab({ env: { SHUTDOWN_TIMEOUT: "20s" } });
  const { client, provider } = await own.pair();
  using silent = await connectRaw(own.app.port);
  await silent.send(requestBytes("/v1/realtime", { token: own.token, headers: handshake }));
  await silent.until("\r\n\r\n");
  const stoppedAtMs = performance.now();
  await own.app.stop();
  expect(performance.now() - stoppedAtMs).toBeLessThan(2_000);
  expect([(await client.closed()).code, (await provider.closed()).code]).toEqual([1001, 1001]);
});
