import type { Usage } from "../usage/usage.ts";
import { noUsage } from "../usage/usage.ts";
import { type AnswerFamily, findText } from "./answer-text.ts";
import {
  cutText,
  isObject,
  jsonText,
  type LooseObject,
  listOf,
  objectOf,
  parseJson,
  stringOf,
} from "./loose-json.ts";
import {
  alsoBilledIn,
  anthropicUsage,
  countOf,
  geminiUsage,
  msOfSeconds,
  openAiUsage,
  tierOf,
} from "./usage-shapes.ts";

/** What a provider's answer says of itself, as far as it was read. */
export interface Reading {
  /** Null where the answer does not tell. */
  readonly usage: Usage | null;
  /** The JSON it was read from, cut at 4 KiB; empty where there was none. */
  readonly rawUsage: string;
  /** The model that answered, as the provider names it; at most 256 characters, empty where it does not. */
  readonly model: string;
  /** What the usage object has that is billed and that no count holds, by the names of its fields. */
  readonly alsoBilled: readonly string[];
  /** The usage is that of a beginning (Anthropic's `message_start`): its output was not counted to the end. */
  readonly isUsageEarly: boolean;
  /** Whether the answer came to its own end; undefined where its kind is not known, so that nobody can say. */
  readonly isEnded: boolean | undefined;
  /** It said that nothing more comes, usage included: `[DONE]`, or the last event of a family that has one. */
  readonly isLast: boolean;
  /** The work goes on after this answer, and its usage is told in another one (Responses in the background). */
  readonly isPending: boolean;
  /** The code or type of an error inside of the answer, at most 100 characters; empty where there is none. */
  readonly error: string;
  /** What the model wrote: its length in UTF-16 units, and the first 16 KiB of it. */
  readonly text: { readonly characters: number; readonly sample: string };
  /** Events and bodies that were no JSON. */
  readonly unreadable: number;
}

/** Reads one answer. It tells families apart by what an answer looks like, and throws at nothing. */
export interface AnswerReader {
  /** One event of a stream: the data of a server-sent event, a line of NDJSON, a message of a socket. */
  event(text: string): void;
  /** A whole JSON body. An array is a stream of Gemini's, each element an event. */
  body(text: string): void;
  /** An event or a body that is too long to be parsed: what was picked out of it, in an object of its shape. */
  picked(answer: LooseObject, isWhole: boolean): void;
  /** Whether nothing more comes, without the price of a whole reading. */
  isLast(): boolean;
  reading(): Reading;
}

interface AnswerReaderDeps {
  /** Path of the request, for the answers that do not tell what they are; a query is ignored. */
  readonly path: string;
}

/** What the shape of an event or a body tells. */
interface Shape {
  readonly family: AnswerFamily | undefined;
  /** The object that has the model and the usage. */
  readonly envelope: LooseObject;
  readonly isEnd: boolean;
  /** What it has of usage is that of a beginning. */
  readonly isBeginning?: boolean;
}

const rawUsageBytesMax = 4 * 1024;
const sampleBytesMax = 16 * 1024;
const modelCharactersMax = 256;

/** Their answers say what a request would use. */
const countingPaths = /\/count_tokens$|:countTokens$|\/responses\/input_tokens$/;
const shortCode = /^[\w.:-]{1,100}$/;

const responsesEnds = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "response.done", // realtime
]);
const anthropicTypes = new Set([
  "message_start",
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop",
]);
const mediaTypes = /^(transcript\.text|speech\.audio|image_generation|image_edit)\.\w+$/;
const mediaEnds = /\.(done|completed)$/;

/** A reader for one answer; `response.done` of realtime ends one, so a session has one reader for each. */
export function createAnswerReader({ path }: AnswerReaderDeps): AnswerReader {
  const pathname = path.split("?", 1)[0] ?? "";
  let usage: Usage | null = null;
  let rawUsage: unknown;
  let tier = tierOf(undefined);
  let images = 0;
  let model = "";
  let family: AnswerFamily | undefined;
  let isEnded = false;
  let isLast = false;
  let isUsageEarly = false;
  let isPending = false;
  let webSearches = 0;
  let unreadable = 0;
  let error = "";
  let characters = 0;
  let sample = "";

  function takeText(piece: unknown): void {
    if (typeof piece !== "string") return;
    characters += piece.length;
    if (sample.length < sampleBytesMax) sample += piece.slice(0, sampleBytesMax - sample.length);
  }

  function takeUsage(shape: Shape): void {
    const { envelope } = shape;
    const found = family === "gemini" ? envelope["usageMetadata"] : usageIn(envelope);
    if (!isObject(found)) return;
    const raw = family === "anthropic" ? mergeCounts(objectOf(rawUsage), found) : found;
    const read = readUsage(raw, family);
    if (read === null && usage !== null) return;
    usage = read;
    rawUsage = raw;
    isUsageEarly = shape.isBeginning ?? false;
  }

  function take(answer: LooseObject): void {
    const shape = shapeOf(answer);
    const { envelope } = shape;
    family = shape.family ?? family;
    isEnded ||= shape.isEnd;
    // Chat has its usage and `[DONE]` after its end.
    isLast ||= shape.isEnd && shape.family !== "chat";
    isPending = envelope["status"] === "queued" || envelope["status"] === "in_progress";
    webSearches += searchesIn(answer);
    error ||= errorOf(answer);
    model = stringOf(envelope["model"] ?? envelope["modelVersion"]) || model;
    if (envelope["service_tier"] !== undefined) tier = tierOf(envelope["service_tier"]);
    takeUsage(shape);
    if (shape.family !== undefined) findText(answer, shape.family, takeText);
    if (shape.family === "media" && shape.isEnd && stringOf(answer["type"]).startsWith("image_")) images++;
  }

  /** What only a whole body can say. */
  function takeWhole(answer: LooseObject): void {
    take(answer);
    isEnded = family !== undefined;
    isLast = true;
    if (error !== "") return;
    if (countingPaths.test(pathname)) usage = noUsage;
    if (pathname.endsWith("/moderations")) usage ??= noUsage;
    if (pathname.includes("/images/")) images = listOf(answer["data"]).length;
    if (family !== undefined || typeof answer["text"] !== "string") return;
    takeText(answer["text"]);
    const audioMs = msOfSeconds(answer["duration"]);
    if (audioMs !== undefined) usage ??= { ...noUsage, audioMs };
  }

  function wholeUsage(): Usage | null {
    if (usage === null && images === 0) return null;
    const base = usage ?? noUsage;
    return {
      ...base,
      images,
      webSearches: Math.max(base.webSearches, webSearches),
      tier: base.tier === "standard" ? tier : base.tier,
    };
  }

  return {
    event(text) {
      if (text.length < 16 && text.trim() === "[DONE]") {
        family ??= "chat";
        isEnded = true;
        isLast = true;
        return;
      }
      const answer = parseJson(text);
      if (isObject(answer)) take(answer);
      else if (answer === undefined && text.trim() !== "") unreadable++;
    },
    body(text) {
      const answer = parseJson(text.startsWith("\ufeff") ? text.slice(1) : text);
      if (isObject(answer)) takeWhole(answer);
      else for (const element of listOf(answer)) if (isObject(element)) take(element);
      if (answer === undefined && text.trim() !== "") unreadable++;
    },
    picked: (answer, isWhole) => (isWhole ? takeWhole(answer) : take(answer)),
    isLast: () => isLast,
    reading: () => ({
      usage: wholeUsage(),
      rawUsage: rawUsage === undefined ? "" : cutText(jsonText(rawUsage), rawUsageBytesMax),
      model: model.slice(0, modelCharactersMax),
      alsoBilled: isObject(rawUsage) ? alsoBilledIn(rawUsage) : [],
      isUsageEarly,
      isEnded: family === undefined ? undefined : isEnded,
      isLast,
      isPending,
      error,
      text: { characters, sample: cutText(sample, sampleBytesMax) },
      unreadable,
    }),
  };
}

function shapeOf(answer: LooseObject): Shape {
  const type = stringOf(answer["type"]);
  if (type.startsWith("response."))
    return { family: "responses", envelope: objectOf(answer["response"]), isEnd: responsesEnds.has(type) };
  if (anthropicTypes.has(type)) {
    const envelope = type === "message_start" ? objectOf(answer["message"]) : answer;
    return {
      family: "anthropic",
      envelope,
      isEnd: type === "message_stop",
      isBeginning: type === "message_start",
    };
  }
  if (mediaTypes.test(type)) return { family: "media", envelope: answer, isEnd: mediaEnds.test(type) };
  return { envelope: answer, ...wholeShapeOf(answer) };
}

/** Groq's streams had it in `x_groq`, Cohere has it in `meta.billed_units`. */
function usageIn(envelope: LooseObject): unknown {
  return (
    envelope["usage"] ?? objectOf(envelope["x_groq"])["usage"] ?? objectOf(envelope["meta"])["billed_units"]
  );
}

/** Searches on the web that the provider made: of Responses when each is done, of Gemini by its queries. */
function searchesIn(answer: LooseObject): number {
  const items = answer["type"] === "response.output_item.done" ? [answer["item"]] : listOf(answer["output"]);
  const queries = listOf(answer["candidates"]).map(
    (candidate) => listOf(objectOf(objectOf(candidate)["groundingMetadata"])["webSearchQueries"]).length,
  );
  return queries.reduce((sum, count) => sum + count, items.filter(isSearch).length);
}

/** Pages that it opened in the course of a search are not billed. */
function isSearch(item: unknown): boolean {
  const { type, action } = objectOf(item);
  const did = stringOf(objectOf(action)["type"]);
  return type === "web_search_call" && (did === "" || did === "search");
}

/** Shapes without a type for each event; of Anthropic's and Responses' whole bodies too, which are at their end. */
function wholeShapeOf(answer: LooseObject): Omit<Shape, "envelope"> {
  if (Array.isArray(answer["choices"])) {
    const isEnd = answer["choices"].some((choice) => stringOf(objectOf(choice)["finish_reason"]) !== "");
    return { family: "chat", isEnd };
  }
  if (answer["object"] === "response") return { family: "responses", isEnd: true };
  if (answer["type"] === "message" && Array.isArray(answer["content"]))
    return { family: "anthropic", isEnd: true };
  if (["candidates", "usageMetadata", "promptFeedback"].some((name) => isGiven(answer[name])))
    return { family: "gemini", isEnd: isGeminiEnd(answer) };
  return { family: undefined, isEnd: false };
}

function isGeminiEnd(answer: LooseObject): boolean {
  if (isGiven(objectOf(answer["promptFeedback"])["blockReason"])) return true;
  return listOf(answer["candidates"]).some((candidate) => isGiven(objectOf(candidate)["finishReason"]));
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function readUsage(raw: LooseObject, family: AnswerFamily | undefined): Usage | null {
  if (family === "gemini") return geminiUsage(raw);
  return family === "anthropic" ? anthropicUsage(raw) : openAiUsage(raw);
}

/** The counts of a later event over those of an earlier one. They are cumulative, so none gets less. */
function mergeCounts(earlier: LooseObject, later: LooseObject): LooseObject {
  const news = Object.entries(later).filter(([name, value]) => {
    const known = countOf(earlier[name]);
    return isGiven(value) && (known === undefined || (countOf(value) ?? -1) >= known);
  });
  return { ...earlier, ...Object.fromEntries(news) };
}

function errorOf(answer: LooseObject): string {
  const type = stringOf(answer["type"]);
  const response = objectOf(answer["response"]);
  const isFailed = type === "response.failed" || response["status"] === "failed";
  return (
    codeOf(answer["error"]) ||
    codeOf(response["error"]) ||
    codeOf(objectOf(response["status_details"])["error"]) ||
    (isFailed ? "failed" : "") ||
    (type === "error" ? codeOf(answer["code"]) || "error" : "")
  );
}

/** A word for an error: its code, or what kind it is; never a sentence, which may repeat what was asked. */
function codeOf(error: unknown): string {
  if (typeof error === "string" && error !== "") return shortCode.test(error) ? error : "error";
  if (!isObject(error) || Object.keys(error).length === 0) return "";
  for (const name of ["code", "type", "status"]) {
    const word = typeof error[name] === "number" ? String(error[name]) : error[name];
    if (typeof word === "string" && shortCode.test(word)) return word;
  }
  return "error";
}
