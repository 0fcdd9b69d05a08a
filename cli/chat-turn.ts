import { fail, ok, type Result } from "../src/result.ts";
import type { Secret } from "../src/secret.ts";
import { OutputError } from "./output.ts";
import { readSseData } from "./sse-lines.ts";

/** One message of a conversation. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Where a turn goes and how it is asked. */
export interface ChatEndpoint {
  /** Full address of the chat completions route. */
  readonly url: string;
  readonly token: Secret;
  readonly stream: boolean;
  /** Model, temperature and the like, sent as they are. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** A whole answer. Tokens are those that the provider reported, if it did. */
export interface Turn {
  readonly text: string;
  readonly tokens?: { readonly input: number; readonly output: number };
}

/** Watches a turn while it runs. */
export interface TurnWatch {
  onText(text: string): void;
  /** The request body that was sent and the head of the answer; no credential is among them. */
  onExchange?(requestBody: string, response: Response): void;
  readonly signal?: AbortSignal;
}

/** Why there is no whole answer; the message is for people. */
export interface TurnFailure {
  readonly code: "unreachable" | "refused" | "not_chat" | "cut";
  readonly message: string;
}

/**
 * Asks for the next message of a conversation (OpenAI's `POST /v1/chat/completions`). A stream may take as long
 * as it likes. Redirects are not followed, so that the token goes to nobody else.
 */
export async function takeTurn(
  endpoint: ChatEndpoint,
  messages: readonly ChatMessage[],
  watch: TurnWatch,
): Promise<Result<Turn, TurnFailure>> {
  const streaming = endpoint.stream ? { stream: true, stream_options: { include_usage: true } } : {};
  const body = JSON.stringify({ ...endpoint.parameters, messages, ...streaming });
  let response: Response;
  try {
    response = await fetch(endpoint.url, {
      method: "POST",
      headers: { authorization: `Bearer ${endpoint.token.reveal()}`, "content-type": "application/json" },
      body,
      redirect: "manual",
      timeout: false,
      ...(watch.signal === undefined ? {} : { signal: watch.signal }),
    });
  } catch (error) {
    return fail({ code: "unreachable", message: `No answer from ${endpoint.url}: ${wordsOf(error)}` });
  }
  watch.onExchange?.(body, response);
  if (!response.ok)
    return fail({ code: "refused", message: wordRefusal(response.status, await readStart(response)) });
  try {
    return isStream(response) ? await readStream(response, watch) : await readWhole(response, watch);
  } catch (error) {
    if (error instanceof OutputError) throw error; // nobody reads any more; the provider did nothing wrong
    return fail({ code: "cut", message: `The answer was cut off: ${wordsOf(error)}` });
  }
}

function isStream(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").includes("text/event-stream");
}

async function readStream(response: Response, watch: TurnWatch): Promise<Result<Turn, TurnFailure>> {
  let text = "";
  let tokens: Turn["tokens"];
  let ended = false;
  for await (const data of readSseData(response.body ?? new Blob().stream())) {
    if (data === "[DONE]") {
      ended = true;
      continue; // what follows is the end of the body: to hang up before it would look like giving up
    }
    const event = parseJson(data);
    const refusal = errorIn(event);
    if (refusal !== undefined) return fail({ code: "cut", message: `The answer was cut off: ${refusal}` });
    const choice = at(event, "choices", 0);
    const delta = at(choice, "delta", "content");
    if (typeof delta === "string" && delta !== "") {
      text += delta;
      watch.onText(delta);
    }
    ended ||= typeof at(choice, "finish_reason") === "string";
    tokens = tokensIn(event) ?? tokens;
  }
  if (!ended) return fail({ code: "cut", message: "The answer ended before it was whole" });
  return ok({ text, ...(tokens === undefined ? {} : { tokens }) });
}

async function readWhole(response: Response, watch: TurnWatch): Promise<Result<Turn, TurnFailure>> {
  const type = response.headers.get("content-type") ?? "no content type";
  const isJson = type.includes("json");
  const answer = isJson ? parseJson(await response.text()) : undefined;
  const text = at(answer, "choices", 0, "message", "content");
  if (typeof text !== "string") {
    if (!isJson) await response.body?.cancel(); // what was read whole cannot be cancelled any more
    return fail({
      code: "not_chat",
      message: `The answer is no chat completion (HTTP ${response.status}, ${type}): check the address of the proxy`,
    });
  }
  watch.onText(text);
  const tokens = tokensIn(answer);
  return ok({ text, ...(tokens === undefined ? {} : { tokens }) });
}

function tokensIn(answer: unknown): Turn["tokens"] {
  const input = at(answer, "usage", "prompt_tokens");
  const output = at(answer, "usage", "completion_tokens");
  return typeof input === "number" && typeof output === "number" ? { input, output } : undefined;
}

function wordRefusal(status: number, body: string): string {
  return `${errorIn(parseJson(body)) ?? "The server gave no reason"} (HTTP ${status})`;
}

/** `message (code)` of an error body: a provider's `{error: {message, code}}` or the proxy's `{error, code}`. */
function errorIn(body: unknown): string | undefined {
  const error = at(body, "error");
  const message = typeof error === "string" ? error : at(error, "message");
  if (typeof message !== "string") return undefined;
  const code = at(error, "code") ?? at(body, "code") ?? at(error, "type");
  return typeof code === "string" ? `${message} [${code}]` : message;
}

const ERROR_BYTES_MAX = 65_536;
const ERROR_READ_MS_MAX = 2_000;

/** Reads an error body as far as the bounds allow: it may be junk that never ends. */
async function readStart(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  const giveUp = (): void => void reader.cancel().catch(() => {}); // the connection has gone already
  const timer = setTimeout(giveUp, ERROR_READ_MS_MAX);
  let text = "";
  try {
    while (text.length < ERROR_BYTES_MAX) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // cut in the middle of an error: the status says enough, and what came is worded below
  }
  clearTimeout(timer);
  giveUp();
  return text;
}

function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = (found as Record<string | number, unknown>)[key];
  }
  return found;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // every reader of it takes undefined as "not there"
  }
}

/** The runtime's sentence without its advice to programmers. */
function wordsOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/\.? For more information, .*$/, "");
}
