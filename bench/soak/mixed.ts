import type { Lab } from "./lab.ts";
import { defineLoad, type Figure, type Load, percentile } from "./load.ts";
import { type Exchange, eventChunk, jsonAnswer, streamHead } from "./provider.ts";

/** A token that this minute still may call, and until when. */
interface PoolToken {
  readonly text: string;
  readonly leavesAtMs: number;
}

interface Sample {
  readonly atMs: number;
  readonly memoryMib: number;
  readonly heapMib: number;
  readonly series: number;
}

/** What the callers saw. */
interface Seen {
  requests: number;
  aborted: number;
  refused: number;
  tokens: number;
  /** Answers that are neither what the provider was told to send nor what the token deserved. */
  unexpected: number;
  readonly firstByteMs: { readonly atMs: number; readonly tookMs: number }[];
}

const mib = 2 ** 20;
const tickMs = 10;
/** The shortest that a token can be made for. */
const tokenMinutes = 1;
/** How long it is used, so that its own end comes between two requests or in the middle of a stream. */
const tokenUsedMs = 50_000;
const sampleEveryMs = 2_000;
const hourMs = 3_600_000;
/** In less time than this the collector's saw-tooth is steeper than what is looked for. */
const slopeMinutesMin = 120;

/** Everything at once, for long: what grows with each request shows here. @param minutes of the full size */
export function mixedTraffic(minutes: number): Load {
  return defineLoad({
    name: "mixed",
    caseId: "RES-104",
    sizes: {
      full: { minutes, perSecond: 200, tokensPerSecond: 10 },
      quick: { minutes: 0.1, perSecond: 100, tokensPerSecond: 10 },
    },
    describe: ({ minutes: length, perSecond, tokensPerSecond }) =>
      `${perSecond} requests/s for ${length} min: 60 % streams, 5 % aborts, 1 % errors, 1 % expired tokens, random models and paths, ${tokensPerSecond} new tokens/s`,
    async run(lab, size) {
      lab.provider.answer(answerMixed);
      const filesBefore = lab.openFiles();
      const samples: Sample[] = [];
      const seen = await drive(lab, { ...size, durationMs: size.minutes * 60_000 }, samples);
      const left = await lab.leftInFlight();
      return [
        ...growth(samples, size.minutes),
        ...delays(seen),
        { name: "requests", unit: "", measured: seen.requests },
        { name: "of them left by the client", unit: "", measured: seen.aborted },
        { name: "of them refused (expired token)", unit: "", measured: seen.refused },
        { name: "tokens made", unit: "", measured: seen.tokens },
        { name: "unexpected answers", unit: "", measured: seen.unexpected, max: 0 },
        { name: "requests left in flight", unit: "", measured: left, max: 0 },
        // idle connections to the provider are kept, at most 64
        {
          name: "file descriptors above the start",
          unit: "",
          measured: lab.openFiles() - filesBefore,
          max: 70,
        },
      ];
    },
  });
}

/** By the name in the path: a stream of some events, an error, a cut, or JSON. */
async function answerMixed(exchange: Exchange): Promise<void> {
  const { target } = exchange;
  if (target.includes("/broken")) return exchange.cut();
  if (target.includes("/failing")) return await exchange.write(jsonAnswer('{"error":{}}', 429));
  if (!target.includes("/stream")) return await exchange.write(jsonAnswer('{"choices":[]}'));
  await exchange.write(streamHead);
  for (let left = 5 + Math.random() * 25; left > 0 && !exchange.isClosed; left--) {
    await exchange.write(eventChunk("x".repeat(200)));
    await Bun.sleep(20 + Math.random() * 30);
  }
  await exchange.write(eventChunk("[DONE]") + eventChunk(""));
}

interface Drive {
  readonly durationMs: number;
  readonly perSecond: number;
  readonly tokensPerSecond: number;
}

/** Sends at that rate whatever the answers do, and looks at the process all the while. */
async function drive(lab: Lab, plan: Drive, samples: Sample[]): Promise<Seen> {
  const seen: Seen = { requests: 0, aborted: 0, refused: 0, tokens: 0, unexpected: 0, firstByteMs: [] };
  const startMs = performance.now();
  const isOver = () => performance.now() - startMs >= plan.durationMs;
  const tokens: PoolToken[] = [await newToken(lab)];
  const expired: string[] = [];

  const makeTokens = async () => {
    for (; !isOver(); await Bun.sleep(1000 / plan.tokensPerSecond)) {
      tokens.push(await newToken(lab));
      seen.tokens += 1;
      while (tokens[1] !== undefined && (tokens[0]?.leavesAtMs ?? 0) < performance.now()) {
        expired.push(tokens.shift()?.text ?? "");
        if (expired.length > 1000) expired.shift();
      }
    }
  };
  const look = async () => {
    for (; !isOver(); await Bun.sleep(sampleEveryMs)) {
      const heap = await lab.product.metric("llm_proxy_memory_heap_inuse_bytes");
      const series = await lab.product.metricSeries();
      samples.push({ atMs: performance.now(), memoryMib: lab.memoryMib(), heapMib: heap / mib, series });
      lab.provider.forget();
    }
  };
  const running = new Set<Promise<void>>();
  const send = async () => {
    for (let sent = 0; !isOver(); await Bun.sleep(tickMs)) {
      const due = ((performance.now() - startMs) * plan.perSecond) / 1000;
      for (; sent < due; sent++) {
        const isExpired = Math.random() < 0.01 && expired.length > 200; // those have been so for long
        const token = isExpired ? expired[0] : tokens[Math.floor(Math.random() * tokens.length)]?.text;
        const request = sendOne(lab, { token: token ?? "", isExpired }, seen);
        running.add(request);
        void request.then(() => running.delete(request));
      }
    }
  };
  await Promise.all([makeTokens(), look(), send()]);
  await Promise.all(running);
  return seen;
}

async function newToken(lab: Lab): Promise<PoolToken> {
  const limit = Math.random() < 0.5 ? { max_requests: 100_000 } : {};
  const text = await lab.product.newToken(lab.projectId, { duration_minutes: tokenMinutes, ...limit });
  return { text, leavesAtMs: performance.now() + tokenUsedMs };
}

const statusOf = { stream: 200, json: 200, failing: 429, broken: 502 } as const;

async function sendOne(
  lab: Lab,
  { token, isExpired }: { readonly token: string; readonly isExpired: boolean },
  seen: Seen,
): Promise<void> {
  const kind = pickKind();
  const caller = await lab.call(`/v1/${kind}/${randomName()}`, { token, model: `model-${randomName()}` });
  seen.requests += 1;
  if (Math.random() < 0.05) {
    await Bun.sleep(Math.random() * 200);
    seen.aborted += 1;
    caller.leave(Math.random() < 0.5 ? "fin" : "reset");
    await caller.end;
    return;
  }
  const firstAtMs = await caller.firstByte;
  const { isWhole } = await caller.end;
  if (isExpired) seen.refused += 1;
  else if (kind === "json") seen.firstByteMs.push({ atMs: firstAtMs, tookMs: firstAtMs - caller.sentAtMs });
  const due = isExpired ? 401 : statusOf[kind];
  if (caller.status !== due || !isWhole) seen.unexpected += 1;
}

function pickKind(): keyof typeof statusOf {
  const dice = Math.random();
  if (dice < 0.6) return "stream";
  if (dice < 0.99) return "json";
  return dice < 0.995 ? "failing" : "broken";
}

function randomName(): string {
  return Math.random().toString(36).slice(2, 8);
}

/** The second half against the middle: by then caches and pools are as full as they get. */
function growth(samples: readonly Sample[], minutes: number): Figure[] {
  const second = samples.slice(Math.floor(samples.length / 2));
  const third = Math.max(1, Math.floor(second.length / 3));
  const meanOf = (part: readonly Sample[], of: (sample: Sample) => number) =>
    part.reduce((sum, sample) => sum + of(sample), 0) / part.length;
  const grown = (of: (sample: Sample) => number) =>
    meanOf(second.slice(-third), of) - meanOf(second.slice(0, third), of);
  const slope = slopeOf(second.map(({ atMs, memoryMib }) => [atMs / hourMs, memoryMib]));
  return [
    { name: "memory at the end", unit: "MiB", measured: second.at(-1)?.memoryMib ?? Number.NaN },
    {
      name: "memory, growth over the second half",
      unit: "MiB",
      measured: grown(({ memoryMib }) => memoryMib),
      max: 16,
    },
    {
      name: "memory, slope over the second half",
      unit: "MiB/h",
      measured: slope,
      max: minutes >= slopeMinutesMin ? 2 : undefined,
    },
    {
      name: "JS heap, growth over the second half",
      unit: "MiB",
      measured: grown(({ heapMib }) => heapMib),
      max: 16,
    },
    {
      name: "metric series, growth over the second half",
      unit: "",
      measured: grown(({ series }) => series),
      max: 50,
    },
  ];
}

/** Least squares. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return over / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

/** Time to the first byte of JSON answers, the first tenth against the last. */
function delays({ firstByteMs }: Seen): Figure[] {
  const times = firstByteMs.toSorted((a, b) => a.atMs - b.atMs).map(({ tookMs }) => tookMs);
  const tenth = Math.ceil(times.length / 10);
  const [first, last] = [times.slice(0, tenth), times.slice(-tenth)];
  return [
    { name: "first byte at the start, p50", unit: "ms", measured: percentile(first, 0.5) },
    { name: "first byte at the end, p50", unit: "ms", measured: percentile(last, 0.5) },
    { name: "first byte at the start, p99", unit: "ms", measured: percentile(first, 0.99) },
    { name: "first byte at the end, p99", unit: "ms", measured: percentile(last, 0.99) },
  ];
}
