import type { Price, UsageBounds } from "../usage/price.ts";
import type { RequestFacts } from "./request-facts.ts";
import { type JsonObject, readText, type TextClass } from "./request-text.ts";
import type { RouteKind } from "./route.ts";

/** A request as far as its cost is bounded by it. */
export interface BoundedRequest {
  readonly method: string;
  /** Below the provider's base URL. */
  readonly path: string;
  readonly isUpgrade: boolean;
  /** The whole body; undefined where it was not held, or is compressed. */
  readonly body: Uint8Array | undefined;
}

/** What a request may use at the most; `unbounded`: nothing tells it, `why` in the words of a refusal. */
export type Worst =
  | { readonly kind: "free" }
  | { readonly kind: "bounded"; readonly usage: UsageBounds }
  | { readonly kind: "unbounded"; readonly why: string };

/** Models put marks and templates around a text, which a short one does not pay for with its bytes. */
const inputTokensMin = 128;
/** What is put around tools that are offered (Anthropic: up to 700). */
const toolTokens = 1000;
/** The least bytes that a second of sound takes (Opus that is silent). */
const audioBytesPerSecondMin = 16;

const free: Worst = { kind: "free" };
const unbounded = (why: string): Worst => ({ kind: "unbounded", why });

/**
 * The most that a request can use at its provider, so that a budget never pays more than it set aside. What is known
 * to be text has no more tokens than bytes (byte-level encodings take a byte at least); of all else the input is as
 * long as the model reads at once. What is on none of the lists is unbounded: lists say what is harmless, not what
 * is not.
 */
export function worstOf(request: BoundedRequest, facts: RequestFacts, price: Price | undefined): Worst {
  if (request.isUpgrade) return unbounded("nobody knows what a session may use");
  if (isFree(request, facts)) return free;
  if (price === undefined) return unbounded("the model has no price");
  if (facts.models.length > 1) return unbounded("it names more than one model");
  if (/search|deep-research/.test(facts.model)) return unbounded("the model reads more than the request has");
  switch (facts.kind) {
    case "chat":
    case "completions":
    case "responses":
    case "messages":
    case "gemini":
    case "embeddings":
    case "rerank":
      return worstOfText(request, facts, price);
    case "transcription":
      return worstOfSound(request, facts, price);
    case "speech":
      return withOutput({ characters: facts.inputBytes, ...inputOf(facts.inputBytes) }, 1, price);
    case "images":
      return worstOfPictures(request, facts, price);
    default:
      return unbounded("nobody knows what this route may use");
  }
}

/** Reads and deletions, what counts or files only, and what stops something. */
function isFree({ method, path }: BoundedRequest, { kind }: RequestFacts): boolean {
  if (["GET", "HEAD", "DELETE"].includes(method)) return true;
  if (kind === "count_tokens" || kind === "moderations") return true;
  return (
    kind === "other" &&
    /^(\/v\d\w*)?\/(files|uploads(\/[^/]+\/(parts|complete|cancel))?|[^/]+\/[^/]+\/cancel)$/.test(path)
  );
}

function worstOfText({ body }: BoundedRequest, facts: RequestFacts, price: Price): Worst {
  const read: TextClass = body === undefined ? { kind: "unreadable" } : readText(body);
  if (read.kind === "unreadable") return unbounded("its body cannot be read");
  if (read.kind === "repeated") return unbounded(`${read.what} may read the whole input again and again`);
  const input = read.kind === "text" ? inputOf(facts.inputBytes) : wholeInput(price);
  if (input === undefined)
    return unbounded(
      `${read.kind === "other" ? read.what : ""} is not in the request, and nobody knows how much it is`,
    );
  const { inputTokens = 0 } = input;
  const documents = listOf(read.body["documents"]).length;
  // The query is read with each document anew.
  if (facts.kind === "rerank")
    return { kind: "bounded", usage: { inputTokens: inputTokens * Math.max(1, documents) } };
  if (facts.kind === "embeddings") return { kind: "bounded", usage: input };
  const hasTools = listOf(read.body["tools"]).length > 0;
  const whole = { inputTokens: inputTokens + (hasTools ? toolTokens : 0) };
  const { asked, answers } = outputOf(facts.kind, read.body);
  return withOutput(whole, answers, price, asked);
}

/** What a request says of its output, in the names that its route knows: others would bound nothing at the provider. */
function outputOf(
  kind: RouteKind,
  body: JsonObject,
): { readonly asked: number | undefined; readonly answers: number } {
  const gemini = [body["generationConfig"], body["generation_config"]].filter(isObject);
  switch (kind) {
    case "chat":
      return {
        asked: largest([body["max_tokens"], body["max_completion_tokens"]]),
        answers: answersOf([body["n"]]),
      };
    case "completions":
      return {
        asked: largest([body["max_tokens"]]),
        answers: answersOf([body["n"], body["best_of"]]) * promptsIn(body["prompt"]),
      };
    case "responses":
      return { asked: largest([body["max_output_tokens"]]), answers: 1 };
    case "gemini":
      return {
        asked: largest(gemini.flatMap((each) => [each["maxOutputTokens"], each["max_output_tokens"]])),
        answers: answersOf(gemini.flatMap((each) => [each["candidateCount"], each["candidate_count"]])),
      };
    default:
      return { asked: largest([body["max_tokens"]]), answers: 1 };
  }
}

/** The largest of those that are given; undefined where there is none, or one that is no count (0, -1, "5", 1.5). */
function largest(values: readonly unknown[]): number | undefined {
  const given = values.filter((value) => value !== undefined && value !== null);
  const areCounts = given.every((value) => Number.isSafeInteger(value) && Number(value) > 0);
  return given.length > 0 && areCounts ? Math.max(...(given as number[])) : undefined;
}

/** The same for how many answers are wanted: one where nothing is said, without an end where it is no count. */
function answersOf(values: readonly unknown[]): number {
  const isSilent = values.every((value) => value === undefined || value === null);
  return isSilent ? 1 : (largest(values) ?? Infinity);
}

/** Texts, or lists of token ids; one where it is not a list of those. */
function promptsIn(prompt: unknown): number {
  const list = listOf(prompt);
  return typeof list[0] === "string" || Array.isArray(list[0]) ? list.length : 1;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function worstOfSound({ body }: BoundedRequest, { inputBytes }: RequestFacts, price: Price): Worst {
  // A form may name a file elsewhere, of any length.
  const isHere =
    body !== undefined && body[0] !== 0x7b && !/name="?url/i.test(Buffer.from(body).toString("latin1"));
  if (!isHere) return unbounded("nobody knows how much sound it leads to");
  const audioMs = Math.ceil((inputBytes * 1000) / audioBytesPerSecondMin);
  const input = price.bands.standard.short.audioMs === undefined ? wholeInput(price) : {};
  if (input === undefined) return unbounded("nobody knows how much sound is in it");
  return withOutput({ ...input, audioMs }, 1, price);
}

function worstOfPictures({ path }: BoundedRequest, facts: RequestFacts, price: Price): Worst {
  const input = path.endsWith("/generations") ? inputOf(facts.inputBytes) : wholeInput(price);
  if (input === undefined) return unbounded("nobody knows how much the pictures in it are");
  return withOutput({ ...input, images: facts.choices }, facts.choices, price);
}

function inputOf(bytes: number): UsageBounds {
  return { inputTokens: Math.max(inputTokensMin, bytes) };
}

function wholeInput({ inputTokensMax }: Price): UsageBounds | undefined {
  return inputTokensMax === undefined ? undefined : { inputTokens: inputTokensMax };
}

/** With the output of so many answers: as many tokens as were asked for at most, else as the model can give. */
function withOutput(input: UsageBounds, answers: number, price: Price, asked?: number): Worst {
  if (answers === Infinity) return unbounded("nothing says how many answers it wants");
  const each = asked ?? price.outputTokensMax ?? (isOutputPaid(price) ? undefined : 0);
  if (each === undefined) return unbounded("nothing says how long its answer may be: give it a max_tokens");
  return { kind: "bounded", usage: { ...input, outputTokens: each * answers } };
}

function isOutputPaid({ bands }: Price): boolean {
  return Object.values(bands).some(
    ({ short }) => short.output !== undefined || short.audioOutput !== undefined,
  );
}
