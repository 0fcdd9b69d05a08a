import { connectRaw, type RawResponse } from "../../test/harness/raw-client.ts";

/** One request of a program. */
export interface Ask {
  readonly isStream: boolean;
  /** The conversation ends with the beginning of the answer. */
  readonly hasPrefill?: boolean;
  /** Hangs up after so many tokens. */
  readonly leavesAfter?: number;
}

/** Where a program sends its requests. */
export interface Door {
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a program saw of its request. */
export interface Seen {
  readonly callId: string;
  /** As sent, as JSON. */
  readonly messages: string;
  /** NaN: no head came. */
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Of the body, without framing. */
  readonly body: string;
  readonly bodyBytes: number;
  /** What it says, all tokens put together. */
  readonly text: string;
  readonly finishReason: string | undefined;
  /** An error that stands in a stream: an event that says so, or one that cannot be read. */
  readonly streamError: string | undefined;
  /** `whole`: as HTTP has it. `broken`: cut, reset, or no answer at all. `silent`: nothing ended it within the bound. */
  readonly ending: "whole" | "broken" | "silent" | "left";
  readonly startedMs: number;
  readonly tookMs: number;
}

/** Asks and reads until the end of the answer, or for as long as the bound says; then it hangs up. Never throws. */
export async function call(door: Door, ask: Ask, boundMs: number): Promise<Seen> {
  const callId = crypto.randomUUID();
  const messages = conversation(ask);
  const startedMs = performance.now();
  using client = await connectRaw(door.port);
  await client.send(
    requestOf(door, JSON.stringify({ model: "m", user: callId, stream: ask.isStream, messages })),
  );
  const lastToken = ask.leavesAfter === undefined ? undefined : `"t${ask.leavesAfter} "`;
  if (lastToken !== undefined) await client.until(lastToken, boundMs).catch(() => undefined);
  const response = await client.response({ deadlineMs: lastToken === undefined ? boundMs : 1 });
  return {
    callId,
    messages: JSON.stringify(messages),
    status: response.status,
    headers: response.headers,
    ...bodyOf(response),
    ending: lastToken === undefined ? endingOf(response) : "left",
    startedMs,
    tookMs: performance.now() - startedMs,
  };
}

function conversation({ hasPrefill = false }: Ask) {
  const prefill = hasPrefill ? [{ role: "assistant", content: "t1 t2 t3" }] : [];
  return [{ role: "user", content: "Count." }, ...prefill];
}

function requestOf(door: Door, body: string): string {
  const headers = { host: "gateway.test", "content-type": "application/json", ...door.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /v1/chat/completions HTTP/1.1\r\n${lines.join("")}content-length: ${body.length}\r\n\r\n${body}`;
}

function endingOf({ ending, complete }: RawResponse): Seen["ending"] {
  if (ending === "timeout") return "silent";
  return complete ? "whole" : "broken";
}

function bodyOf({ headers, body }: RawResponse) {
  const text = body.text();
  const isEvents = headers.some(
    ([name, value]) => /^content-type$/i.test(name) && value.startsWith("text/event-stream"),
  );
  return { body: text, bodyBytes: body.length, ...(isEvents ? readEvents(text) : readJson(text)) };
}

type Read = Pick<Seen, "text" | "finishReason" | "streamError">;

/** As the official SDKs read a stream: up to `[DONE]`; an event with an `error`, or that is no JSON, is an exception. */
function readEvents(stream: string): Read {
  const read = { text: "", finishReason: undefined as string | undefined, streamError: undefined };
  for (const event of stream.split(/\r?\n\r?\n/).slice(0, -1)) {
    const data = /^data: ?(.*)$/m.exec(event)?.[1];
    if (data === undefined) continue;
    if (data === "[DONE]") break;
    const part = parse(data);
    if (part === undefined) return { ...read, streamError: "an event that is no JSON" };
    if (part.error !== undefined) return { ...read, streamError: wordOf(part.error) };
    read.text += part.choices?.[0]?.delta?.content ?? "";
    read.finishReason = part.choices?.[0]?.finish_reason ?? read.finishReason;
  }
  return read;
}

function readJson(body: string): Read {
  const choice = parse(body)?.choices?.[0];
  return {
    text: choice?.message?.content ?? "",
    finishReason: choice?.finish_reason,
    streamError: undefined,
  };
}

/** As much of the API's answers as is looked at. */
interface Part {
  readonly error?: { readonly code?: string | number | null; readonly message?: string };
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string };
    readonly message?: { readonly content?: string };
    readonly finish_reason?: string;
  }[];
}

function parse(text: string): Part | undefined {
  try {
    return JSON.parse(text) as Part;
  } catch {
    return undefined;
  }
}

function wordOf({ code, message }: NonNullable<Part["error"]>): string {
  return String(code ?? message ?? "error");
}
