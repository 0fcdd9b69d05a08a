import { createJsonPick, wantedPaths } from "./json-pick.ts";
import { createMultipartFields } from "./multipart-fields.ts";
import { type RouteKind, routeOf } from "./route.ts";

/** What a request says about its own size and price, read as a provider would read it. */
export interface RequestFacts {
  readonly kind: RouteKind;
  /** The model that is asked for: by the path where that names one, else by the body. "" where none is named. */
  readonly model: string;
  /** Each model that some provider could take it to ask for: of names that come twice, or in another case, all. */
  readonly models: readonly string[];
  /** The most tokens of output that one choice may have, the largest that is named; undefined where none is. */
  readonly maxOutputTokens: number | undefined;
  /** Answers, or pictures, asked for at once (`n`, `best_of`, `candidateCount`); at least 1. */
  readonly choices: number;
  readonly stream: boolean;
  /** `stream_options.include_usage`; undefined where the request does not say. */
  readonly includeUsage: boolean | undefined;
  /** Of speech: characters of the text. Else 0. */
  readonly characters: number;
  /** Of the body that has been seen. */
  readonly inputBytes: number;
}

/** What a request's body is read by. */
export interface RequestHead {
  /** Without the query. */
  readonly path: string;
  /** With its `?`, or "". */
  readonly query: string;
  readonly contentType: string;
}

/** Reads a body as it passes, in bounded memory. */
export interface FactsReader {
  push(bytes: Uint8Array): void;
  facts(): RequestFacts;
}

const names = [
  "model",
  "stream",
  "stream_options.include_usage",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "n",
  "best_of",
  "generationConfig.maxOutputTokens",
  "generationConfig.candidateCount",
  "generation_config.max_output_tokens",
  "generation_config.candidate_count",
];
const jsonPaths = wantedPaths(names);
/** The text of speech is needed for its length; that of others is not kept. */
const speechPaths = wantedPaths([...names, "input"]);
const formNames: ReadonlySet<string> = new Set(["model", "stream", "n"]);

const outputPaths = [
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "generationConfig.maxOutputTokens",
  "generation_config.max_output_tokens",
];
const choicePaths = ["n", "best_of", "generationConfig.candidateCount", "generation_config.candidate_count"];

/** A name of a model that is longer is none that anybody sells; it is cut where it is kept. */
export const modelCharsMax = 200;
const pieceBytes = 4096;
/** Names told of one request; there may be more. */
export const modelsMax = 16;

/** Reads what a request says in its path and its whole body. */
export function readRequestFacts(head: RequestHead, body: Uint8Array): RequestFacts {
  const reader = createFactsReader(head);
  // The time to look through a piece grows with the square of its length.
  for (let from = 0; from < body.byteLength; from += pieceBytes)
    reader.push(body.subarray(from, from + pieceBytes));
  return reader.facts();
}

/**
 * Reads a request's body while it passes, whatever the borders of its pieces. A body is looked through as JSON whatever
 * its type, since providers do so too, and as a form where its type says so. Never throws.
 */
export function createFactsReader({ path, query, contentType }: RequestHead): FactsReader {
  const route = routeOf(path);
  const named = new Set<string>();
  const noteModel = (value: unknown) => {
    if (typeof value === "string" && value !== "" && named.size < modelsMax) named.add(value);
  };
  const json = createJsonPick(route.kind === "speech" ? speechPaths : jsonPaths, {
    onValue: (at, value) => at.toLowerCase() === "model" && noteModel(value),
  });
  const form = new Map<string, unknown>();
  const noteField = (name: string, value: string) => {
    form.set(name, value);
    if (name.toLowerCase() === "model") noteModel(value);
  };
  const multipart = /^multipart\/form-data\b/i.test(contentType)
    ? createMultipartFields(contentType, formNames, noteField)
    : undefined;
  const plainForm = /^application\/x-www-form-urlencoded\b/i.test(contentType)
    ? createPlainForm()
    : undefined;
  let inputBytes = 0;

  return {
    push(bytes) {
      inputBytes += bytes.byteLength;
      json.push(bytes);
      multipart?.push(bytes);
      plainForm?.push(bytes);
    },
    facts() {
      for (const [name, value] of plainForm?.fields() ?? []) noteField(name, value);
      const given = (name: string): unknown => json.found.get(name) ?? form.get(name);
      const inPath = route.model || (route.kind === "realtime" ? (modelInQuery(query) ?? "") : "");
      const inBody = given("model");
      const models = inPath === "" ? [...named] : [inPath];
      return {
        kind: route.kind,
        model: inPath || (typeof inBody === "string" ? inBody : (models.at(-1) ?? "")),
        models,
        maxOutputTokens: largest(outputPaths.map(given)),
        choices: Math.max(1, largest(choicePaths.map(given).map(asNumber)) ?? 1),
        stream: isTrue(given("stream")) || /[?&]alt=sse(&|$)/.test(query) || /:stream[A-Z]/.test(path),
        includeUsage: asBoolean(given("stream_options.include_usage")),
        characters: charactersOf(json.found.get("input")),
        inputBytes,
      };
    },
  };
}

/** A form of this kind is small, or is no form; beyond the bound it is not read. */
function createPlainForm(bytesMax = 65_536) {
  let pieces: Uint8Array[] = [];
  let length = 0;
  return {
    push(bytes: Uint8Array) {
      length += bytes.byteLength;
      if (length > bytesMax) pieces = [];
      else pieces.push(bytes.slice());
    },
    fields: () => [...new URLSearchParams(length > bytesMax ? "" : Buffer.concat(pieces).toString())],
  };
}

function modelInQuery(query: string): string | undefined {
  return new URLSearchParams(query).get("model") ?? undefined;
}

/** The largest whole number among them that can be a count; what is no such number says nothing. */
function largest(values: readonly unknown[]): number | undefined {
  const counts = values.filter(
    (value): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0,
  );
  return counts.length === 0 ? undefined : Math.max(...counts);
}

/** In a form a number is text. */
function asNumber(value: unknown): unknown {
  return typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
}

function isTrue(value: unknown): boolean {
  return value === true || value === "true";
}

function asBoolean(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function charactersOf(value: unknown): number {
  return typeof value === "string" ? [...value].length : 0;
}
