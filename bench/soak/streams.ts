import { type Caller, readSlowly } from "./caller.ts";
import { kernelQueueBytes } from "./kernel-queues.ts";
import type { Lab } from "./lab.ts";
import { defineLoad, type Figure, percentile, until } from "./load.ts";
import { type Answer, eventChunk, flood, jsonAnswer, readUploadsSlowly, streamHead } from "./provider.ts";

const mib = 2 ** 20;
/** Between two calls of a quick client. */
const pauseMs = 10;

/** One event at once and one each 5 s, until `ends` resolves; then a proper end. */
function heldStream(ends: Promise<void>): Answer {
  return async (exchange) => {
    await exchange.write(streamHead + eventChunk("first"));
    const timer = setInterval(() => void exchange.write(eventChunk("next")), 5_000);
    await Promise.race([ends, exchange.closed]);
    clearInterval(timer);
    await exchange.write(eventChunk(""));
  };
}

/** How long a short call takes from connecting to its last byte, in ms. @throws {Error} when it is no whole 200 */
async function shortCall(lab: Lab): Promise<number> {
  const startMs = performance.now();
  const caller = await lab.callOther("/v1/models");
  const { atMs, isWhole } = await caller.end;
  if (caller.status !== 200 || !isWhole) throw new Error(`A short call got ${caller.status || "no answer"}`);
  return atMs - startMs;
}

/** So many streams at once, the runtime's own limit being 256, and another provider that must not notice. */
export const manyStreams = defineLoad({
  name: "many-streams",
  caseId: "RES-101",
  sizes: { full: { counts: [400, 500, 2000], calls: 50 }, quick: { counts: [600], calls: 50 } },
  describe: ({ counts, calls }) =>
    `${counts.join(", ")} streams held open; then ${calls} short calls to another provider`,
  async run(lab, { counts, calls }) {
    const figures: Figure[] = [];
    for (const count of counts) figures.push(...(await holdOpen(lab, count, calls)));
    return figures;
  },
});

async function holdOpen(lab: Lab, count: number, calls: number): Promise<Figure[]> {
  const ends = Promise.withResolvers<void>();
  lab.provider.answer(heldStream(ends.promise));
  lab.other.answer((exchange) => exchange.write(jsonAnswer("{}")));
  using memory = lab.watchMemory();
  const callers = await Promise.all(Array.from({ length: count }, () => lab.call("/v1/chat/completions")));
  const firstMs = await Promise.all(
    callers.map(async ({ firstByte, sentAtMs }) => (await firstByte) - sentAtMs),
  );
  const shortMs: number[] = [];
  for (let index = 0; index < calls; index++) shortMs.push(await shortCall(lab));
  const open = await lab.product.metric("llm_proxy_active_streams");
  const growthMib = memory.growthMib();
  ends.resolve();
  const endings = await Promise.all(callers.map(({ end }) => end));
  const name = `${count} streams:`;
  return [
    { name: `${name} slowest first event`, unit: "ms", measured: Math.max(...firstMs), max: 1000 },
    {
      name: `${name} slowest call to another provider`,
      unit: "ms",
      measured: Math.max(...shortMs),
      max: 100,
    },
    { name: `${name} not open at once`, unit: "", measured: count - open, max: 0 },
    {
      name: `${name} not whole`,
      unit: "",
      measured: endings.filter(({ isWhole }) => !isWhole).length,
      max: 0,
    },
    { name: `${name} memory, growth`, unit: "MiB", measured: growthMib },
  ];
}

/** Many slow ends at once: memory must not grow with the number of clients times the size of what they are sent. */
export const slowReaders = defineLoad({
  name: "slow-readers",
  caseId: "RES-103",
  sizes: {
    full: { clients: 50, eachMib: 200, bytesPerSecond: 50_000, seconds: 30 },
    quick: { clients: 20, eachMib: 200, bytesPerSecond: 50_000, seconds: 2 },
  },
  describe: ({ clients, eachMib, bytesPerSecond, seconds }) =>
    `${clients} clients read ${eachMib} MiB at ${bytesPerSecond / 1000} KB/s for ${seconds} s, a quick one beside them`,
  async run(lab, { clients, eachMib, bytesPerSecond, seconds }) {
    lab.provider.answer((exchange) => flood(exchange, eachMib * mib));
    const alone = await quickClient(lab, 1000);
    using memory = lab.watchMemory();
    const callers = await Promise.all(Array.from({ length: clients }, () => lab.call("/v1/audio/speech")));
    const slow = Promise.all(callers.map((caller) => readSlowly(caller, bytesPerSecond, seconds * 1000)));
    const [beside] = await Promise.all([quickClient(lab, seconds * 1000), slow]);
    const growthMib = memory.growthMib();
    const sent = lab.provider.exchanges.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
    const received = callers.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0);
    const heldMib = (sent - received - kernelQueueBytes([lab.provider.port, lab.product.port])) / mib;
    return [
      { name: "memory, growth", unit: "MiB", measured: growthMib, max: 200 },
      { name: "held in the proxy, not in the kernel", unit: "MiB", measured: heldMib, max: clients },
      { name: "quick client alone, p50", unit: "ms", measured: percentile(alone, 0.5) },
      { name: "quick client beside them, p50", unit: "ms", measured: percentile(beside, 0.5), max: 50 },
      ...(await afterLeaving(lab, callers)),
    ];
  },
});

/** The other way round: many uploads to a provider that reads slowly. */
export const slowUploads = defineLoad({
  name: "slow-uploads",
  caseId: "RES-103",
  sizes: {
    full: { clients: 50, eachMib: 200, bytesPerSecond: 50_000, seconds: 30 },
    quick: { clients: 20, eachMib: 200, bytesPerSecond: 50_000, seconds: 2 },
  },
  describe: ({ clients, eachMib, bytesPerSecond, seconds }) =>
    `${clients} clients send ${eachMib} MiB, the provider reads ${bytesPerSecond / 1000} KB/s for ${seconds} s, a quick one beside them`,
  async run(lab, { clients, eachMib, bytesPerSecond, seconds }) {
    lab.provider.answer(({ closed }) => closed.then(() => {}));
    using memory = lab.watchMemory();
    const callers = await Promise.all(
      Array.from({ length: clients }, () => lab.call("/v1/files", { bodyBytes: eachMib * mib })),
    );
    for (const caller of callers) void caller.upload();
    const slow = readUploadsSlowly(lab.provider, bytesPerSecond, seconds * 1000);
    const [beside] = await Promise.all([quickClient(lab, seconds * 1000), slow]);
    const growthMib = memory.growthMib();
    return [
      { name: "memory, growth", unit: "MiB", measured: growthMib, max: 200 },
      { name: "quick client beside them, p50", unit: "ms", measured: percentile(beside, 0.5), max: 50 },
      ...(await afterLeaving(lab, callers)),
    ];
  },
});

/** Calls the other provider again and again. @returns what each call took, in ms */
async function quickClient(lab: Lab, durationMs: number): Promise<number[]> {
  lab.other.answer((exchange) => exchange.write(jsonAnswer("{}")));
  const tookMs: number[] = [];
  const untilMs = performance.now() + durationMs;
  while (performance.now() < untilMs) {
    tookMs.push(await shortCall(lab));
    await Bun.sleep(pauseMs);
  }
  return tookMs;
}

/** All of them go away at once: nothing may stay. */
async function afterLeaving(lab: Lab, callers: readonly Caller[]): Promise<Figure[]> {
  const leftAtMs = performance.now();
  for (const caller of callers) caller.leave("reset");
  await Promise.all(lab.provider.exchanges.map(({ closed }) => closed));
  const closedAfterMs = performance.now() - leftAtMs;
  return [
    { name: "last close at the provider after all left", unit: "ms", measured: closedAfterMs, max: 1000 },
    { name: "requests left in flight", unit: "", measured: await lab.leftInFlight(), max: 0 },
  ];
}

/** One token with very many slow streams and stalled uploads, and another that calls once in a while. */
export const greedyToken = defineLoad({
  name: "greedy-token",
  caseId: "LIM-109",
  sizes: {
    full: { streams: 300, uploads: 100, seconds: 20 },
    quick: { streams: 300, uploads: 100, seconds: 2 },
  },
  describe: ({ streams, uploads, seconds }) =>
    `one token with ${streams} streams and ${uploads} stalled uploads, another calls again and again for ${seconds} s`,
  async run(lab, { streams, uploads, seconds }) {
    lab.provider.answer(heldStream(new Promise(() => {})));
    const alone = await quickClient(lab, seconds * 1000);
    const all = streams + uploads;
    const greedy = await Promise.all([
      ...Array.from({ length: streams }, () => lab.call("/v1/chat/completions")),
      ...Array.from({ length: uploads }, () => lab.call("/v1/files", { bodyBytes: 64 * mib })), // nothing of it is sent
    ]);
    await until(() => lab.provider.exchanges.length === all, "request of each at the provider");
    const beside = await quickClient(lab, seconds * 1000);
    const addedMs = percentile(beside, 0.99) - percentile(alone, 0.99);
    return [
      { name: "the other's call, p50", unit: "ms", measured: percentile(beside, 0.5) },
      { name: "the other's call, p99 above p99 alone", unit: "ms", measured: addedMs, max: 50 },
      ...(await afterLeaving(lab, greedy)),
    ];
  },
});
