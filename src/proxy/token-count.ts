import { countTokens } from "gpt-tokenizer/encoding/o200k_base";

/** What an estimate is made of. */
export interface TextSample {
  /** The request's body; undefined where it was not held. */
  readonly body: Uint8Array | undefined;
  /** The beginning of what the model wrote. */
  readonly written: string;
  /** How long that is in all, in UTF-16 units. */
  readonly writtenChars: number;
}

export interface TokenCounts {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Text beyond this is not counted but taken to have as many tokens for its length as what is before it. */
const countedCharsMax = 65_536;
/** The tokenizer's time grows with the square of a word, so that it gets pieces. */
const pieceCharsMax = 512;
/** What a picture, a sound or a file takes: their tokens do not follow their bytes. */
const blobTokens = 1000;
const blobCharsMin = 512;
/** Roles and marks around a message, and around all of them, as in chat of OpenAI. */
const messageTokens = 4;
const framingTokens = 3;

/** Names whose text is none that the model reads. */
const unread: ReadonlySet<string> = new Set([
  "model",
  "role",
  "type",
  "id",
  "stream",
  "user",
  "metadata",
  "detail",
]);

/** Estimates by OpenAI's newest encoding, whoever's model it was. */
export function estimateTokens({ body, written, writtenChars }: TextSample): TokenCounts {
  return { inputTokens: inputTokens(body), outputTokens: scaled(written, writtenChars) };
}

function inputTokens(body: Uint8Array | undefined): number {
  if (body === undefined) return 0;
  const found = { text: "", chars: 0, blobs: 0, messages: 0 };
  const add = (text: string): void => {
    found.chars += text.length;
    if (found.text.length < countedCharsMax) found.text += text.slice(0, countedCharsMax - found.text.length);
  };
  const walk = (value: unknown, name: string): void => {
    if (typeof value === "string") {
      if (unread.has(name)) return;
      if (isBlob(value)) found.blobs++;
      else add(value);
    } else if (Array.isArray(value)) {
      if (name === "messages" || name === "contents") found.messages += value.length;
      for (const element of value) walk(element, name);
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) walk(inner, key);
    }
  };
  try {
    walk(JSON.parse(new TextDecoder().decode(body)), "");
  } catch {
    return Math.ceil(body.byteLength / 4); // no JSON, or one too deep: four bytes for a token, as in English
  }
  const framing = found.messages > 0 ? framingTokens + found.messages * messageTokens : 0;
  return scaled(found.text, found.chars) + found.blobs * blobTokens + framing;
}

/** Base64, or the URL of data: long, and without any blank. */
function isBlob(text: string): boolean {
  return (
    text.startsWith("data:") ||
    (text.length >= blobCharsMin &&
      !/\s/.test(text.slice(0, blobCharsMin)) &&
      /^[\w+/=-]*$/.test(text.slice(0, blobCharsMin)))
  );
}

function scaled(text: string, charsInAll: number): number {
  const counted = text.slice(0, countedCharsMax);
  if (counted === "") return 0;
  let tokens = 0;
  for (let from = 0; from < counted.length; ) {
    const to = pieceEnd(counted, from);
    tokens += countTokens(counted.slice(from, to), { allowedSpecial: "all" });
    from = to;
  }
  return Math.ceil((tokens * Math.max(charsInAll, counted.length)) / counted.length);
}

/** Before the last blank within a piece, as a word has it in front; in the middle of what has none. */
function pieceEnd(text: string, from: number): number {
  const end = from + pieceCharsMax;
  if (end >= text.length) return text.length;
  const blank = text.lastIndexOf(" ", end);
  return blank > from ? blank : end;
}
