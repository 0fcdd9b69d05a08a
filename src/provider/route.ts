/** What a path asks for, as far as its answers are read in their own way. */
export type RouteKind =
  | "chat"
  | "completions"
  | "responses"
  | "messages"
  | "gemini"
  | "embeddings"
  | "transcription"
  | "speech"
  | "images"
  | "rerank"
  | "moderations"
  | "realtime"
  /** Counts tokens and uses none. */
  | "count_tokens"
  | "other";

export interface Route {
  readonly kind: RouteKind;
  /** The model that the path names (Gemini, Azure deployments); "" where it names none. */
  readonly model: string;
}

/** By the end of the path, so that a prefix of a provider or of a gateway before it makes no difference. */
const endings: readonly (readonly [RegExp, RouteKind])[] = [
  [/\/chat\/completions$/i, "chat"],
  [/\/completions$/i, "completions"],
  [/\/responses$/i, "responses"],
  [/\/messages\/count_tokens$/i, "count_tokens"],
  [/\/responses\/input_tokens$/i, "count_tokens"],
  [/\/messages$/i, "messages"],
  [/\/embeddings$/i, "embeddings"],
  [/\/audio\/(transcriptions|translations)$/i, "transcription"],
  [/\/audio\/speech$/i, "speech"],
  [/\/images\/(generations|edits|variations)$/i, "images"],
  [/\/rerank$/i, "rerank"],
  [/\/moderations$/i, "moderations"],
  [/\/realtime$/i, "realtime"],
];

/** `…/models/gemini-x:generateContent`, and `…/tunedModels/x:…`; Claude at Vertex is `…:rawPredict`. */
const methodPath = /\/([^/]+)\/([^/:]+):([A-Za-z]+)$/;
const methods: ReadonlyMap<string, RouteKind> = new Map([
  ["generateContent", "gemini"],
  ["streamGenerateContent", "gemini"],
  ["embedContent", "gemini"],
  ["batchEmbedContents", "gemini"],
  ["countTokens", "count_tokens"],
  ["rawPredict", "messages"],
  ["streamRawPredict", "messages"],
]);

const deployment = /\/deployments\/([^/]+)\//i;

/** What is asked for at this path (without its query). */
export function routeOf(path: string): Route {
  const plain = decoded(path).replace(/\/+$/, "");
  const method = methodPath.exec(plain);
  const [, collection = "", name = "", verb = ""] = method ?? [];
  const kind = methods.get(verb);
  if (kind !== undefined) return { kind, model: collection === "models" ? name : `${collection}/${name}` };
  const found = endings.find(([ending]) => ending.test(plain));
  return { kind: found?.[1] ?? "other", model: deployment.exec(plain)?.[1] ?? "" };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
