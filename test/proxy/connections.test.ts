import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { RawResponse } from "../harness/raw-client.ts";
import { chunk, event, hold, readBody, sseHead, write } from "../harness/upstream-steps.ts";
import { jsonOf, openLab } from "./lab.ts";
import { type Heard, openAtSockets, textAnswer } from "./socket-provider.ts";

describe("a connection that the provider closes just as it is used again (NET-101)", () => {
  /** A provider that closes what idles for so long, and perhaps says so. */
  async function openClosing(idleMs: number, more = "") {
    const seen: Heard[] = [];
    const provider = await openAtSockets(
      (heard) => {
        seen.push(heard);
        heard.socket.write(textAnswer(heard.id, more));
      },
      (socket) => {
        socket.setTimeout(idleMs, () => socket.destroy());
      },
    );
    return Object.assign(provider, { seen });
  }

  /** Each was seen once at most, whole; those that were answered once, and with their own answer. */
  function checkBooks(seen: readonly Heard[], answers: readonly { id: string; answer: RawResponse }[]) {
    const times = Map.groupBy(seen, ({ id }) => id);
    const answered = answers.filter(({ answer }) => answer.status === 200);
    const lost = answers.filter(({ answer }) => answer.status !== 200);
    for (const { id, answer } of answered)
      expect([answer.body.text(), times.get(id)?.length]).toEqual([id, 1]);
    for (const { id, answer } of lost) expect([answer.status, times.get(id) ?? []]).toEqual([502, []]);
    for (const { id, body } of seen) expect(JSON.parse(body)).toMatchObject({ id, pad: "p".repeat(2_000) });
    return answered.length;
  }

  test("no POST is lost where the provider says when (Keep-Alive: timeout)", async () => {
    const offsetsMs = [990, 999, 1_000, 1_001, 1_010];
    const lanes = Array.from({ length: 20 }, async (_, lane) => {
      await using provider = await openClosing(1_000, "Keep-Alive: timeout=1\r\n");
      const answers = [await provider.call(), await provider.call()];
      expect(provider.sockets).toHaveLength(1);
      for (const offsetMs of offsetsMs) {
        await delay(offsetMs + (lane - 10) / 2);
        answers.push(await provider.call());
      }
      expect(checkBooks(provider.seen, answers)).toBe(answers.length);
    });
    await Promise.all(lanes);
  }, 30_000);

  test("300 POSTs around an idle time that nobody tells: none is doubled, and few are a clean 502", async () => {
    const idleMs = 20;
    await using provider = await openClosing(idleMs);
    const answers: { id: string; answer: RawResponse }[] = [];
    for (let n = 0; n < 300; n++) {
      answers.push(await provider.call());
      await delay([0, idleMs - 1, idleMs, idleMs + 1, Math.random() * 2 * idleMs][n % 5]);
    }
    expect(checkBooks(provider.seen, answers)).toBeGreaterThan(240);
    expect(provider.sockets.length).toBeWithin(10, 290);
  }, 30_000);

  test.each(["rst", "fin"])(
    "a POST that was read whole before the %s is not sent again: 502",
    async (kind) => {
      const seen: string[] = [];
      await using provider = await openAtSockets(({ socket, count, id }) => {
        seen.push(id);
        if (count === 1) socket.write(textAnswer(id));
        else if (kind === "rst") socket.resetAndDestroy();
        else socket.end();
      });
      for (let round = 0; round < 20; round++) {
        expect((await provider.call()).answer.status).toBe(200);
        const { id, answer } = await provider.call();
        expect([answer.status, jsonOf(answer).error.code]).toEqual([502, "bad_gateway"]);
        expect(seen.filter((each) => each === id)).toHaveLength(1);
      }
      expect(provider.sockets).toHaveLength(20);
    },
  );

  test("a FIN without reading: the next POST is answered or 502, and never doubled", async () => {
    const seen: string[] = [];
    await using provider = await openAtSockets(({ socket, id }) => {
      seen.push(id);
      socket.pause(); // what comes next is never read
      socket.write(textAnswer(id), () => socket.end());
    });
    for (let round = 0; round < 50; round++) {
      const { id, answer } = await provider.call();
      expect(answer.status === 200 ? answer.body.text() : answer.status).toBe(
        answer.status === 200 ? id : 502,
      );
    }
    expect(new Set(seen).size).toBe(seen.length);
  });
});

describe("a connection that died without a word (NET-102)", () => {
  /** Between server and provider: what it swallows goes nowhere, and nobody is told. */
  async function startRelay(to: number) {
    const pairs: [Socket, Socket][] = [];
    const server = createServer((socket) => {
      const upstream = connect(to, "127.0.0.1");
      pairs.push([socket, upstream]);
      for (const each of [socket, upstream]) each.on("error", () => {});
      socket.pipe(upstream).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
      port: (server.address() as AddressInfo).port,
      count: () => pairs.length,
      /** All connections that are open now; new ones work. */
      swallow() {
        for (const [one, other] of pairs) {
          one.unpipe(other);
          other.unpipe(one);
          one.resume();
          other.resume();
        }
      },
      [Symbol.dispose]() {
        for (const pair of pairs) for (const each of pair) each.destroy();
        server.close();
      },
    };
  }

  test("the next call is 504 within the limit, those after it get a new connection; a quiet stream is cut", async () => {
    await using lab = await openLab();
    using relay = await startRelay(lab.upstream.port);
    await using behind = await openLab({
      providers: `  far: {base_url: "http://127.0.0.1:${relay.port}", allowed_methods: [POST], allowed_endpoints: ["/*"], timeouts: {response_header: 300ms, stream_idle: 300ms}}\n`,
    });
    const { token } = await behind.app.newToken((await behind.app.newProject({ provider: "far" })).id);
    const call = () => behind.call("/v1/chat/completions", { token, body: "{}" });
    for (let n = 0; n < 2; n++) expect((await call()).status).toBe(200);
    expect(relay.count()).toBe(1);
    relay.swallow();
    const startedMs = performance.now();
    const answer = await call();
    expect([answer.status, jsonOf(answer).error.code]).toEqual([504, "timeout"]);
    expect(performance.now() - startedMs).toBeWithin(290, 1_300);
    expect((await call()).status).toBe(200);
    expect(relay.count()).toBe(2);

    lab.upstream.answerNext([readBody(), write(sseHead(), chunk(event(1))), hold()]);
    const stream = call();
    await lab.upstream.nextRequest();
    await delay(50);
    relay.swallow();
    expect([(await stream).complete, (await stream).body.text()]).toEqual([
      false,
      expect.stringMatching(/^data: 1\n\ndata: \{"error":.*"code":"timeout"/),
    ]);
    expect((await call()).status).toBe(200);
  });

  test.skipIf(process.platform !== "linux")(
    "TCP keep-alive is on, so that without a limit too a quiet connection ends after about 70 s",
    async () => {
      await using lab = await openLab();
      await lab.call("/v1/models");
      // Columns of proc_net_tcp(5): the remote address with its port, and the timer, where 02 is that of keep-alive.
      const port = lab.upstream.port.toString(16).toUpperCase().padStart(4, "0");
      const timers = readFileSync("/proc/net/tcp", "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        .filter(([, , remote]) => remote?.endsWith(`:${port}`))
        .map((columns) => columns[5]?.split(":") ?? []);
      expect(timers.map(([kind]) => kind)).toContain("02");
      const ticks = Number.parseInt(timers.find(([kind]) => kind === "02")?.[1] ?? "", 16);
      expect(ticks / 100).toBeWithin(30, 61); // seconds
    },
  );
});
