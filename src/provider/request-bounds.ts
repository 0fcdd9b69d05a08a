import type { Price, UsageBounds } from "../usage/price.ts";
import type { RequestFacts } from "./request-facts.ts";
import { readText, type TextClass } from "./request-text.ts";

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
      return worstOfSound(facts, price);
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
  return kind === "other" && /\/(files|uploads(\/[^/]+\/(parts|complete|cancel))?|cancel)$/.test(path);
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
  if (facts.kind === "embeddings" || facts.kind === "rerank") return { kind: "bounded", usage: input };
  const answers = facts.choices * (facts.kind === "completions" ? read.prompts : 1);
  return withOutput(input, answers, price, facts.maxOutputTokens);
}

function worstOfSound({ inputBytes, maxOutputTokens }: RequestFacts, price: Price): Worst {
  const audioMs = Math.ceil((inputBytes * 1000) / audioBytesPerSecondMin);
  const input = price.bands.standard.short.audioMs === undefined ? wholeInput(price) : {};
  if (input === undefined) return unbounded("nobody knows how much sound is in it");
  return withOutput({ ...input, audioMs }, 1, price, maxOutputTokens);
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
  const each = asked ?? price.outputTokensMax ?? (isOutputPaid(price) ? undefined : 0);
  if (each === undefined) return unbounded("nothing says how long its answer may be: give it a max_tokens");
  return { kind: "bounded", usage: { ...input, outputTokens: each * answers } };
}

function isOutputPaid({ bands }: Price): boolean {
  return Object.values(bands).some(
    ({ short }) => short.output !== undefined || short.audioOutput !== undefined,
  );
}
