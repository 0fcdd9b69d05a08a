/** What a route answers, before the dialect and the faults have their say. */
export type Answer =
  | { readonly kind: "json"; readonly body: unknown }
  /** Whole server-sent events, blank line included, in the order they leave. */
  | { readonly kind: "events"; readonly events: readonly string[] }
  | { readonly kind: "complaint"; readonly complaint: Complaint };

/** An error that a dialect words in the shape of its official API. */
export interface Complaint {
  readonly status: number;
  readonly message: string;
  readonly code?: string;
  readonly param?: string;
}

/** One parsed request. */
export interface Call {
  readonly body: Readonly<Record<string, unknown>>;
  /** Makes ids: `<prefix><same text for the whole request>`. */
  readonly id: (prefix: string) => string;
  /** Seconds since the epoch. */
  readonly createdS: number;
}

/** Answers with a 400, or with the status given. */
export function complain(message: string, more: Partial<Complaint> = {}): Answer {
  return { kind: "complaint", complaint: { status: 400, message, ...more } };
}

/** Narrows an unknown JSON value to an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The stand-in's tokenizer: four characters make a token, and what is there makes at least one. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/** All text of a `content` or `input`: a string, or a list of parts, items or messages that hold text. */
export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(textOf).join("");
  if (!isObject(content)) return "";
  return textOf(content["text"] ?? content["content"]);
}

/** The first thing wrong with what all generating routes share: the model's name and the limit called `limit`. */
export function complainAboutBasics({ body }: Call, limit: string): Answer | undefined {
  const { model } = body;
  if (typeof model !== "string" || model === "") {
    return complain("Missing required parameter: 'model' must be the name of a model", { param: "model" });
  }
  const tokensMax = body[limit] ?? 1;
  if (Number.isInteger(tokensMax) && Number(tokensMax) > 0) return undefined;
  return complain(`Invalid '${limit}': expected an integer of at least 1`, { param: limit });
}

/** What the stand-in says, cut at `tokensMax`. The same question gets the same answer. */
export interface Speech {
  readonly text: string;
  /** `text` in words, as they are streamed. */
  readonly words: readonly string[];
  readonly tokens: number;
  /** `tokensMax` ended it. */
  readonly cut: boolean;
}

const QUOTE_CHARACTERS_MAX = 200;

/** Answers the last of `messages`; `tokensMax` undefined is no limit. */
export function speak(messages: readonly unknown[], tokensMax: unknown): Speech {
  const question = textOf(messages.at(-1)).slice(0, QUOTE_CHARACTERS_MAX);
  const whole = `You said: "${question}". I am the stand-in provider: no model has read this, but every token is counted.`;
  const text = typeof tokensMax === "number" ? whole.slice(0, tokensMax * 4) : whole;
  return {
    text,
    words: text.match(/\s*\S+\s*$|\s*\S+/g) ?? [],
    tokens: countTokens(text),
    cut: text.length < whole.length,
  };
}

/** One server-sent event; `name` is left out where the dialect has none. */
export function sseEvent(data: unknown, name?: string): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${text}\n\n`;
}
