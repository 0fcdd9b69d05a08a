import { anthropic } from "./anthropic.ts";
import type { Dialect } from "./dialect.ts";
import { gemini } from "./gemini.ts";
import { openai } from "./openai.ts";
import type { DialectName } from "./provider.ts";

/** For providers without a family: the envelope of our management API. */
const none: Dialect = {
  name: "none",
  requestIdHeader: "x-request-id",
  errorBody: (facts) => ({ error: facts.message, code: facts.code, description: facts.description }),
  errorEvent: () => undefined,
};

const dialects: Readonly<Record<DialectName, Dialect>> = { openai, anthropic, gemini, none };

/** The dialect of that name. */
export function dialectOf(name: DialectName): Dialect {
  return dialects[name];
}

/** Which family's SDK is asking, where no provider is known yet (product.md, Errors). */
export function guessDialect(path: string, headers: Headers): Dialect {
  if (headers.has("anthropic-version") || /^\/v1\/messages(\/|$)/.test(path)) return anthropic;
  if (headers.has("x-goog-api-key") || path.startsWith("/v1beta/")) return gemini;
  return openai;
}
