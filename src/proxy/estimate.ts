import type { TextSample, TokenCounts } from "./token-count.ts";

/** Estimates what a request used where its provider does not tell. */
export interface Estimate {
  /** Never rejects, and takes 5 seconds at the most: then, or where the thread fails, it is a token for four characters. */
  (sample: TextSample): Promise<TokenCounts>;
}

interface EstimateDeps {
  /** Told once for each time that the thread fails. */
  readonly onFault: (error: unknown) => void;
  /** Starts the thread. For tests. */
  readonly start?: () => CountingThread;
  readonly idleMs?: number;
  readonly waitMsMax?: number;
}

/** What is used of a `Worker`. */
export interface CountingThread {
  onmessage: ((event: MessageEvent<{ readonly id: number; readonly counts: TokenCounts }>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: { readonly id: number; readonly sample: TextSample }): void;
  terminate(): void;
  unref(): void;
}

/** How long the thread is kept without work: it holds 100 MB. */
const threadIdleMs = 10_000;
const answerMsMax = 5000;
/** A longer body gets a rough estimate: a copy of it goes to the thread. */
const bodyBytesMax = 1 << 20;
/** Estimates under way; what comes on top is a rough one. */
const waitingMax = 64;

/** Counts in a thread of its own, which is started when it is needed and ended when it has been idle. */
export function createEstimate(deps: EstimateDeps): Estimate {
  const { start = startThread, idleMs = threadIdleMs, waitMsMax = answerMsMax } = deps;
  const waiting = new Map<number, (counts: TokenCounts | undefined) => void>();
  let thread: CountingThread | undefined;
  let idle: Timer | undefined;
  let lastId = 0;

  function end(): void {
    thread?.terminate();
    thread = undefined;
    for (const give of waiting.values()) give(undefined);
  }

  function ready(): CountingThread {
    if (thread !== undefined) return thread;
    thread = start();
    thread.unref();
    thread.onmessage = ({ data }) => waiting.get(data.id)?.(data.counts);
    thread.onerror = (event) => {
      deps.onFault(event.message);
      end();
    };
    return thread;
  }

  function ask(sample: TextSample): Promise<TokenCounts | undefined> {
    const id = ++lastId;
    const { promise, resolve } = Promise.withResolvers<TokenCounts | undefined>();
    const late = setTimeout(() => resolve(undefined), waitMsMax);
    clearTimeout(idle);
    waiting.set(id, resolve);
    try {
      ready().postMessage({ id, sample });
    } catch (error) {
      deps.onFault(error);
      resolve(undefined);
    }
    return promise.finally(() => {
      clearTimeout(late);
      waiting.delete(id);
      if (waiting.size === 0) {
        idle = setTimeout(end, idleMs);
        idle.unref();
      }
    });
  }

  return async (sample) => {
    const isSmall = (sample.body?.byteLength ?? 0) <= bodyBytesMax;
    const counts = isSmall && waiting.size < waitingMax ? await ask(sample) : undefined;
    return counts ?? roughly(sample);
  };
}

/** The binary has its files in a place of its own, by their path from the root of the sources; the compiler leaves no other. */
function startThread(): CountingThread {
  const isCompiled = Bun.main.includes("$bunfs") || Bun.main.includes("~BUN");
  const file = isCompiled
    ? "./src/proxy/token-worker.ts"
    : new URL("./token-worker.ts", import.meta.url).href;
  return new Worker(file, { smol: true });
}

function roughly({ body, writtenChars }: TextSample): TokenCounts {
  return {
    inputTokens: Math.ceil((body?.byteLength ?? 0) / 4),
    outputTokens: Math.ceil(writtenChars / 4),
  };
}
