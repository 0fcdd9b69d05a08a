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
    const added = (of: (seen: Seen) => number) => of(proxied) - of(direct);
    return [
      { name: "delay of an event direct, p50", unit: "ms", measured: overall(direct, 0.5) },
      { name: "delay of an event direct, p99 of the median second", unit: "ms", measured: medianP99(direct) },
      { name: "added by the proxy, p50", unit: "ms", measured: added((seen) => overall(seen, 0.5)) },
      {
        name: "added by the proxy, p99 of the median second",
        unit: "ms",
        measured: added(medianP99),
        max: 50,
      },
      { name: "added by the proxy, p99 of all", unit: "ms", measured: added((seen) => overall(seen, 0.99)) },
      { name: "longest pause of the measuring process", unit: "ms", measured: proxied.pauseMs },
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

/** Whatever else runs on the machine stalls single seconds of all processes; the median second is the proxy's own. */
function medianP99({ delaysMs }: Seen): number {
  return percentile(
    delaysMs.filter((second) => second.length > 0).map((second) => percentile(second, 0.99)),
    0.5,
  );
}

function overall({ delaysMs }: Seen, share: number): number {
  return percentile(delaysMs.flat(), share);
}

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
  const seen: Seen = { delaysMs: [], wrong: 0, pauseMs: 0 };
  const callers: Caller[] = [];
  for (let index = 0; index < pace.streams; index++) {
    callers.push(
      await call({ port, token: lab.token, target: "/v1/chat/completions", onData: eventReader(seen) }),
    );
  }
  while (sending.length < pace.streams) await Bun.sleep(tickMs);
  await sendEvents(sending, pace, seen);
  isSent.resolve();
  const ends = await Promise.all(port === lab.product.port ? callers.map(({ end }) => end) : []);
  for (const caller of callers) caller.leave();
  const cut = ends.filter(({ isWhole }) => !isWhole).length;
  const missing = events * pace.streams - seen.delaysMs.flat().length;
  return { ...seen, wrong: seen.wrong + cut + missing };
}

interface Seen {
  /** Of each event, by the second it came in. */
  readonly delaysMs: number[][];
  /** Events whose number was not the next. */
  wrong: number;
  /** The longest between two turns of the sender, which should be 1 ms. */
  pauseMs: number;
}

/** Follows the events of one stream. */
function eventReader(seen: Seen): (bytes: Buffer) => void {
  const startMs = performance.now();
  let rest = "";
  let next = 0;
  const take = (event: string, nowMs: number): void => {
    const [, number, sentMs] = /data: (\d+) ([\d.]+)/.exec(event) ?? [];
    if (sentMs === undefined) return;
    if (Number(number) !== next) seen.wrong += 1;
    next += 1;
    const second = Math.floor((nowMs - startMs) / 1000);
    while (seen.delaysMs.length <= second) seen.delaysMs.push([]);
    seen.delaysMs[second]?.push(nowMs - Number(sentMs));
  };
  return (bytes) => {
    const nowMs = performance.now();
    const events = (rest + bytes.toString("latin1")).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) take(event, nowMs);
  };
}

/** Spreads the streams over the time between two events, as they would come by themselves. */
async function sendEvents(exchanges: readonly Exchange[], pace: Pace, seen: Seen): Promise<void> {
  const startMs = performance.now();
  const total = pace.perSecond * pace.seconds * exchanges.length;
  const perMs = (pace.perSecond * exchanges.length) / 1000;
  let turnMs = startMs;
  for (let sent = 0; sent < total; await Bun.sleep(tickMs)) {
    const nowMs = performance.now();
    seen.pauseMs = Math.max(seen.pauseMs, nowMs - turnMs);
    turnMs = nowMs;
    const due = Math.min(total, Math.ceil((nowMs - startMs) * perMs));
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
