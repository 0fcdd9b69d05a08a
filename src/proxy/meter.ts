import { type AnswerFraming, readAnswerBytes } from "../provider/answer-bytes.ts";
import { createAnswerReader, type Reading } from "../provider/answer-reader.ts";
import { createRealtimeReader } from "../provider/realtime-reader.ts";
import type { RouteKind } from "../provider/route.ts";
import { createDecoder } from "./decode.ts";

/** What was read of an answer. */
export interface Metering {
  readonly reading: Reading;
  /** How it was framed; undefined where that says that there is nothing to read. */
  readonly framing: AnswerFraming | undefined;
  /** Why it could not be read, or not all of it; "" where it could. */
  readonly fault: string;
}

/** Reads an answer from its bytes as they pass. It changes, holds up and copies none of them, and never throws. */
export interface Meter {
  push(chunk: Uint8Array): void;
  /** Whether the answer has said that nothing more comes; of one that is compressed nobody knows that yet. */
  isLast(): boolean;
  /** At the end of the bytes. A compressed answer is at its end a little later. */
  end(): Metering | Promise<Metering>;
}

interface MeterDeps {
  readonly method: string;
  /** Of the request, without its query. */
  readonly path: string;
  readonly kind: RouteKind;
  readonly upstream: Pick<Response, "status" | "headers">;
}

/** Reads by what the answer is, whatever the request has asked for (STR-109). Only what a `POST` got has been paid for. */
export function createMeter({ method, path, kind, upstream }: MeterDeps): Meter {
  const { status, headers } = upstream;
  const type = framingOf(headers.get("content-type"));
  const isAnswer = status >= 200 && status < 300 && kind !== "count_tokens";
  // Of what was not sent by POST only the end of a stream is of interest.
  const framing =
    isAnswer && ((method !== "GET" && method !== "DELETE") || type === "events") ? type : undefined;
  const reader = createAnswerReader({ path });
  if (framing === undefined)
    return { push() {}, isLast: () => false, end: () => ({ reading: reader.reading(), framing, fault: "" }) };

  const bytes = readAnswerBytes(framing, reader);
  const finish = (fault: string): Metering => {
    bytes.end();
    const reading = reader.reading();
    const { unreadable } = reading;
    return { reading, framing, fault: fault || (unreadable > 0 ? `${unreadable} parts are no JSON` : "") };
  };
  const coding = headers.get("content-encoding") ?? "identity";
  if (coding.trim().toLowerCase() === "identity")
    return { push: bytes.push, isLast: reader.isLast, end: () => finish("") };

  const decoder = createDecoder(coding, bytes.push);
  return {
    push: (chunk) => decoder?.push(chunk),
    isLast: reader.isLast,
    end: () => decoder?.end().then(finish) ?? finish("its Content-Encoding is not known"),
  };
}

/** Reads the messages of a provider in a WebSocket session. */
export function createSessionMeter(path: string) {
  const reader = createRealtimeReader(path);
  return {
    message: (message: string | Buffer) => {
      if (typeof message === "string") reader.message(message);
    },
    end: (): Metering => ({ reading: reader.reading(), framing: undefined, fault: "" }),
  };
}

/** Types that say how JSON is framed; there is nothing to read in others. */
function framingOf(contentType: string | null): AnswerFraming | undefined {
  const [type = ""] = (contentType ?? "").toLowerCase().split(";");
  switch (type.trim()) {
    case "text/event-stream":
      return "events";
    case "application/x-ndjson":
    case "application/ndjson":
    case "application/jsonl":
    case "application/x-jsonlines":
      return "lines";
    case "application/json":
    case "text/json":
      return "json";
    default:
      return type.trim().endsWith("+json") ? "json" : undefined;
  }
}
