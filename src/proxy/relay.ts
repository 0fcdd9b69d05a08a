import type { Dialect } from "../provider/dialect.ts";
import type { ProviderTimeouts } from "../provider/provider.ts";
import { createSseTail } from "../provider/sse-tail.ts";
import type { Outcome } from "../usage/record.ts";
import type { Arrival, Deadline } from "./call.ts";
import type { Meter } from "./meter.ts";
import { type RefusalCode, wordings } from "./refuse.ts";

/** How the body of an answer, or a WebSocket, ended. */
export interface End {
  readonly outcome: Outcome;
  /** Body bytes handed on; for a WebSocket those of its messages. */
  readonly bytes: number;
  /** The same towards the provider, where they come after the headers of the answer. */
  readonly requestBytes?: number;
  /** Why it was cut. */
  readonly errorCode?: RefusalCode;
}

interface RelayDeps {
  readonly arrival: Arrival;
  readonly dialect: Dialect;
  readonly deadline: Deadline;
  readonly timeouts: ProviderTimeouts;
  /** Reads the bytes as they pass. */
  readonly meter: Meter;
  /** For the rest of a whole answer; 0: there is no limit. */
  readonly requestLeftMs: number;
  /** Called exactly once. */
  readonly onEnd: (end: End) => void;
}

/** An answer of a known length up to this is read as a whole when it comes at once: cheaper than a stream of one chunk. */
const wholeBytesMax = 256 * 1024;
/** How long a short body may take to come as a whole before it is streamed after all. */
const wholeWaitMs = 2;

/** What a Response can be made of. */
export type Relayed = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
type Chunk = Awaited<ReturnType<Reader["read"]>>;

/**
 * Hands the body of a provider's answer on, byte for byte and chunk by chunk, at the pace of whoever reads it.
 * A body that breaks off is broken off here too; a stream of events gets one error event first, where that stands
 * at a border between events. The client's going away closes the provider's connection.
 */
export async function relay(upstream: Response, deps: RelayDeps): Promise<Relayed> {
  const { requestLeftMs, timeouts } = deps;
  const isFlowing = isEventStream(upstream) || !upstream.headers.has("content-length");
  deps.deadline.arm(isFlowing ? timeouts.streamIdleMs : requestLeftMs);
  if (upstream.body === null || deps.arrival.request.method === "HEAD") {
    deps.deadline.stop();
    deps.onEnd({ outcome: "complete", bytes: 0 });
    return null;
  }
  const reader = upstream.body.getReader() as Reader;
  const first = reader.read();
  first.catch(() => {}); // heard where it is awaited; till then it must not count as unhandled
  const length = Number(upstream.headers.get("content-length") ?? Number.NaN);
  // Without a type, or with an empty one, the runtime would add its own to bytes, and to a stream it does not.
  if (length <= wholeBytesMax && upstream.headers.get("content-type")) {
    const whole = await wholeAtOnce(first, length);
    if (whole !== undefined) {
      deps.deadline.stop();
      if (whole !== null) deps.meter.push(whole);
      deps.onEnd({ outcome: "complete", bytes: length });
      reader.read().catch(() => {}); // its end is read so that the connection can be used again
      return whole;
    }
  }
  return streamed({ reader, first, isFlowing, isEvents: isEventStream(upstream) }, deps);
}

/** Whether an answer is read while it is made (WHATWG HTML, 9.2). */
export function isEventStream(upstream: Response): boolean {
  return upstream.headers.get("content-type")?.toLowerCase().startsWith("text/event-stream") ?? false;
}

async function wholeAtOnce(
  first: Promise<Chunk>,
  length: number,
): Promise<Uint8Array<ArrayBuffer> | null | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, wholeWaitMs);
  });
  const chunk = await Promise.race([first, late]).catch(() => undefined); // told again by `first` in the stream
  clearTimeout(timer);
  if (chunk?.done && length === 0) return null;
  return chunk?.value?.byteLength === length ? chunk.value : undefined;
}

interface Source {
  readonly reader: Reader;
  readonly first: Promise<Chunk>;
  /** Made while it is read, so that its length is unknown: only silence is limited (contract 2.10). */
  readonly isFlowing: boolean;
  readonly isEvents: boolean;
}

function streamed({ reader, first, isFlowing, isEvents }: Source, deps: RelayDeps): ReadableStream {
  const { request } = deps.arrival;
  let pending: Promise<Chunk> | undefined = first;
  let bytes = 0;
  const tail = createSseTail();
  let isOver = false;
  const end = (outcome: Outcome) => {
    if (isOver) return;
    isOver = true;
    deps.deadline.stop();
    deps.onEnd({ outcome, bytes });
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = await (pending ?? reader.read());
          pending = undefined;
          if (chunk.done) {
            end("complete");
            controller.close();
            return;
          }
          if (isFlowing) deps.deadline.arm(deps.timeouts.streamIdleMs);
          if (isEvents) tail.push(chunk.value);
          deps.meter.push(chunk.value);
          bytes += chunk.value.byteLength;
          controller.enqueue(chunk.value);
        } catch (error) {
          const outcome = outcomeOf(deps.deadline, request.signal);
          const mayTell = isEvents && tail.isEventBorder() && !deps.meter.isLast();
          const event = mayTell ? lastWord(outcome, deps) : undefined;
          end(outcome);
          if (event !== undefined) {
            controller.enqueue(new TextEncoder().encode(event));
            await Bun.sleep(0); // or the cut overtakes the event (bun.md section 10)
          }
          controller.error(error);
        }
      },
      cancel() {
        end("client_cancelled");
        void reader.cancel().catch(() => {}); // the provider's side may be gone as well; it is closed either way
      },
    },
    { highWaterMark: 0 },
  );
}

function outcomeOf(deadline: Deadline, client: AbortSignal): Outcome {
  if (deadline.hasExpired()) return "upstream_timeout";
  return client.aborted ? "client_cancelled" : "upstream_cut";
}

function lastWord(outcome: Outcome, { dialect, arrival }: RelayDeps): string | undefined {
  if (outcome === "client_cancelled") return undefined;
  const code: RefusalCode = outcome === "upstream_timeout" ? "timeout" : "bad_gateway";
  const { status, description } = wordings[code];
  const message = "The provider's stream broke off before its end";
  return dialect.errorEvent(
    { status, code, message, description, requestId: arrival.requestId },
    arrival.path,
  );
}
