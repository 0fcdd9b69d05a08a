import type { Clock } from "../src/clock.ts";
import type { Secret } from "../src/secret.ts";
import { readSseData } from "./sse-lines.ts";

/** One request, sent many times. */
export interface Load {
  readonly url: string;
  readonly method: string;
  readonly token: Secret;
  /** Sent as JSON. */
  readonly body: string | undefined;
  /** `Cache-Control: public, max-age=` this many seconds. */
  readonly cacheTtlS: number | undefined;
  readonly requests: number;
  readonly concurrency: number;
  /** For one request, its whole body included. */
  readonly timeoutMs: number;
  /** Times the first event of each answer. */
  readonly stream: boolean;
  /** Requests are started no faster than this; undefined: as fast as `concurrency` lets them. */
  readonly ratePerS: number | undefined;
}

/** What became of one request. */
export interface Sample {
  /** Undefined: no whole answer came. */
  readonly status: number | undefined;
  /** From sending to the last byte. */
  readonly totalMs: number;
  /** From sending to the first server-sent event. */
  readonly firstEventMs: number | undefined;
  /** What the proxy says that the provider took to its headers. */
  readonly upstreamMs: number | undefined;
  /** Undefined: the answer said nothing about a cache. */
  readonly cacheHit: boolean | undefined;
  /** Headers and the beginning of the body, or why there is none; without the token. */
  readonly excerpt: string;
}

/** Hears of every request that was sent, and of its end. */
export interface LoadWatch {
  onSent(): void;
  onSample(sample: Sample): void;
}

/** Sends the load; gives the samples in the order of their end. */
export async function sendLoad(load: Load, watch: LoadWatch, clock: Clock): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startMs = clock.monotonic();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < load.requests) {
      const dueMs = load.ratePerS === undefined ? 0 : startMs + (next * 1000) / load.ratePerS;
      next += 1;
      const waitMs = dueMs - clock.monotonic();
      if (waitMs > 0) await Bun.sleep(waitMs);
      watch.onSent();
      const sample = await sendOne(load, clock);
      samples.push(sample);
      watch.onSample(sample);
    }
  };
  await Promise.all(Array.from({ length: Math.min(load.concurrency, load.requests) }, work));
  return samples;
}

async function sendOne(load: Load, clock: Clock): Promise<Sample> {
  const startMs = clock.monotonic();
  const nowNs = BigInt(Math.floor(clock.now())) * 1_000_000n;
  const nothing = { status: undefined, firstEventMs: undefined, upstreamMs: undefined, cacheHit: undefined };
  try {
    const response = await fetch(load.url, {
      method: load.method,
      headers: {
        authorization: `Bearer ${load.token.reveal()}`,
        "x-request-start": String(nowNs),
        ...(load.body === undefined ? {} : { "content-type": "application/json" }),
        ...(load.cacheTtlS === undefined ? {} : { "cache-control": `public, max-age=${load.cacheTtlS}` }),
      },
      ...(load.body === undefined ? {} : { body: load.body }),
      redirect: "manual",
      timeout: false,
      signal: AbortSignal.timeout(load.timeoutMs),
    });
    const { text, firstEventAtMs } = await readBody(response, load.stream, clock);
    return {
      status: response.status,
      totalMs: clock.monotonic() - startMs,
      firstEventMs: firstEventAtMs === undefined ? undefined : firstEventAtMs - startMs,
      upstreamMs: upstreamMsOf(response.headers),
      cacheHit: cacheHitOf(response.headers),
      excerpt: excerptOf(response, text, load.token),
    };
  } catch (error) {
    const excerpt = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { ...nothing, totalMs: clock.monotonic() - startMs, excerpt };
  }
}

const EXCERPT_CHARACTERS_MAX = 2_000;

async function readBody(
  response: Response,
  stream: boolean,
  clock: Clock,
): Promise<{ text: string; firstEventAtMs?: number }> {
  const isSse = (response.headers.get("content-type") ?? "").includes("text/event-stream");
  if (!stream || !isSse || response.body === null) return { text: await response.text() };
  let text = "";
  let firstEventAtMs: number | undefined;
  for await (const data of readSseData(response.body)) {
    firstEventAtMs ??= clock.monotonic();
    if (text.length < EXCERPT_CHARACTERS_MAX) text += `data: ${data}\n`;
  }
  return { text, ...(firstEventAtMs === undefined ? {} : { firstEventAtMs }) };
}

function upstreamMsOf(headers: Headers): number | undefined {
  const [start, stop] = ["x-upstream-request-start", "x-upstream-request-stop"].map((name) => {
    const text = headers.get(name) ?? "";
    return /^\d{1,19}$/.test(text) ? BigInt(text) : undefined;
  });
  return start === undefined || stop === undefined || stop < start ? undefined : Number(stop - start) / 1e6;
}

function cacheHitOf(headers: Headers): boolean | undefined {
  const said = [headers.get("x-proxy-cache"), headers.get("cache-status")].filter((text) => text !== null);
  return said.length === 0 ? undefined : said.some((text) => /\bhit\b/i.test(text));
}

function excerptOf(response: Response, text: string, token: Secret): string {
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  return [...headers, "", text.slice(0, EXCERPT_CHARACTERS_MAX)].join("\n").replaceAll(token.reveal(), "***");
}
