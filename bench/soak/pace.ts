import { type Caller, call } from "./caller.ts";
import type { Lab } from "./lab.ts";
import { defineLoad, percentile } from "./load.ts";
import { type Answer, type Exchange, eventChunk, jsonAnswer, streamHead } from "./provider.ts";

const tickMs = 1;

/** Many streams with many events: reading each of them must cost neither a core nor time. */
export const eventDelay = defineLoad({
  name: "event-delay",
  caseId: "RES-105",
  sizes: {
    full: { streams: 500, perSecond: 50, bytes: 300, seconds: 60 },
    quick: { streams: 100, perSecond: 50, bytes: 300, seconds: 2 },
  },
  describe: ({ streams, perSecond, bytes, seconds }) =>
    `${streams} streams with ${perSecond} events of ${bytes} bytes a second each, for ${seconds} s; direct and through the proxy`,
  async run(lab, size) {
    const direct = await readEvents(lab, lab.provider.port, size);
    const cpuBeforeMs = lab.product.process.cpuMs() ?? Number.NaN;
    using memory = lab.watchMemory();
    const proxied = await readEvents(lab, lab.product.port, size);
    const cpuMs = (lab.product.process.cpuMs() ?? Number.NaN) - cpuBeforeMs;
    const added = (share: number) => percentile(proxied.delaysMs, share) - percentile(direct.delaysMs, share);
    return [
      { name: "delay of an event direct, p50", unit: "ms", measured: percentile(direct.delaysMs, 0.5) },
      { name: "delay of an event direct, p99", unit: "ms", measured: percentile(direct.delaysMs, 0.99) },
      { name: "added by the proxy, p50", unit: "ms", measured: added(0.5) },
      { name: "added by the proxy, p99", unit: "ms", measured: added(0.99), max: 50 },
      {
        name: "CPU of the proxy",
        unit: "% of a core",
        measured: (cpuMs * 100) / (size.seconds * 1000),
        max: 100,
      },
      { name: "memory, growth", unit: "MiB", measured: memory.growthMib() },
      { name: "events out of order or missing", unit: "", measured: proxied.wrong, max: 0 },
    ];
  },
});

interface Pace {
  readonly streams: number;
  readonly perSecond: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Reads all streams to their ends; every event tells its number and when it was sent. */
async function readEvents(lab: Lab, port: number, pace: Pace) {
  const events = pace.perSecond * pace.seconds;
  const sending: Exchange[] = [];
  const isSent = Promise.withResolvers<void>();
  lab.provider.answer(async (exchange) => {
    await exchange.write(streamHead);
    sending.push(exchange);
    await isSent.promise;
    await exchange.write(eventChunk(""));
  });
  const seen: Seen = { delaysMs: [], wrong: 0 };
  const callers: Caller[] = [];
  for (let index = 0; index < pace.streams; index++) {
    callers.push(
      await call({ port, token: lab.token, target: "/v1/chat/completions", onData: eventReader(seen) }),
    );
  }
  while (sending.length < pace.streams) await Bun.sleep(tickMs);
  await sendEvents(sending, pace, events);
  isSent.resolve();
  const ends = await Promise.all(port === lab.product.port ? callers.map(({ end }) => end) : []);
  for (const caller of callers) caller.leave();
  const cut = ends.filter(({ isWhole }) => !isWhole).length;
  const missing = events * pace.streams - seen.delaysMs.length;
  return { ...seen, wrong: seen.wrong + cut + missing };
}

interface Seen {
  readonly delaysMs: number[];
  /** Events whose number was not the next. */
  wrong: number;
}

/** Follows the events of one stream. */
function eventReader(seen: Seen): (bytes: Buffer) => void {
  let rest = "";
  let next = 0;
  const take = (event: string, nowMs: number): void => {
    const [, number, sentMs] = /data: (\d+) ([\d.]+)/.exec(event) ?? [];
    if (sentMs === undefined) return;
    if (Number(number) !== next) seen.wrong += 1;
    next += 1;
    seen.delaysMs.push(nowMs - Number(sentMs));
  };
  return (bytes) => {
    const nowMs = performance.now();
    const events = (rest + bytes.toString("latin1")).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) take(event, nowMs);
  };
}

/** Spreads the streams over the time between two events, as they would come by themselves. */
async function sendEvents(exchanges: readonly Exchange[], pace: Pace, events: number): Promise<void> {
  const startMs = performance.now();
  const total = events * exchanges.length;
  const perMs = (pace.perSecond * exchanges.length) / 1000;
  for (let sent = 0; sent < total; await Bun.sleep(tickMs)) {
    const due = Math.min(total, Math.ceil((performance.now() - startMs) * perMs));
    for (; sent < due; sent++) {
      const text = `${Math.floor(sent / exchanges.length)} ${performance.now().toFixed(3)} `;
      void exchanges[sent % exchanges.length]?.write(eventChunk(text.padEnd(pace.bytes - 8, "x")));
    }
  }
}

const json: Answer = (exchange) => exchange.write(jsonAnswer(JSON.stringify({ text: "x".repeat(1000) })));
const stream: Answer = (exchange) => exchange.write(streamHead + eventChunk("first") + eventChunk(""));

/** What the proxy adds to the time to the first byte, one call after the other. */
export const addedDelay = defineLoad({
  name: "added-delay",
  caseId: "RES-105",
  sizes: { full: { calls: 2000 }, quick: { calls: 200 } },
  describe: ({ calls }) =>
    `time to the first byte of ${calls} JSON answers and ${calls} streams, direct and proxied in turn`,
  async run(lab, { calls }) {
    const kinds = [
      { kind: "JSON", answer: json },
      { kind: "stream", answer: stream },
    ];
    const figures = [];
    for (const { kind, answer } of kinds) {
      lab.provider.answer(answer);
      const directMs: number[] = [];
      const proxiedMs: number[] = [];
      for (let index = 0; index < calls; index++) {
        directMs.push(await firstByteMs(lab, lab.provider.port));
        proxiedMs.push(await firstByteMs(lab, lab.product.port));
      }
      for (const share of [0.5, 0.99]) {
        const name = `${kind}, p${share * 100}`;
        const direct = percentile(directMs, share);
        figures.push({ name: `${name} direct`, unit: "ms" as const, measured: direct });
        figures.push({
          name: `${name} added`,
          unit: "ms" as const,
          measured: percentile(proxiedMs, share) - direct,
        });
      }
    }
    return figures;
  },
});

async function firstByteMs(lab: Lab, port: number): Promise<number> {
  const caller = await call({ port, token: lab.token, target: "/v1/chat/completions" });
  const tookMs = (await caller.firstByte) - caller.sentAtMs;
  caller.leave();
  await caller.end;
  return tookMs;
}
