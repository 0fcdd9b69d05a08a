import type { OpenKey } from "../cache/key-cache.ts";
import type { Provider } from "../provider/provider.ts";
import { formatUsd } from "../usage/money.ts";
import { credentialHeaders } from "./accept.ts";
import type { Arrival, Hold, Reply } from "./call.ts";
import { withoutParameters } from "./query.ts";
import { isEventStream } from "./relay.ts";

/** RFC 9110, 7.6.1, and what the field has added to it; what `Connection` names comes on top. */
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** What a provider has no business with (contract 2.8). */
const notForProviders = [
  ...hopByHop,
  ...credentialHeaders,
  "host",
  "content-length", // fetch counts by itself
  "expect", // answered by the listener
  "cookie",
  "origin",
  "referer",
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "x-original-forwarded-for",
  "cf-connecting-ip",
  "cf-ipcountry",
  "true-client-ip",
  "x-upstream-request-start",
  "x-request-start",
  "x-body-hash",
  // What is allowed is the method of the request.
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
  // made by the caller over headers that are changed here, as are x-amz-… (AUT-107)
  "signature",
  "signature-input",
];
const notForProvidersPrefix = /^(x-forwarded-|x-llm-proxy-|x-amz-|sec-)/;

const notForClients = [...hopByHop, "set-cookie"];
/** Ours alone: a provider that sends `x-llm-proxy-error` would pass its answer off as our refusal. */
const ownPrefix = "x-llm-proxy-";

/** Headers for the provider: those of the client, less what stops here, with the provider's own key. */
export function upstreamHeaders(
  arrival: Arrival,
  provider: Provider,
  key: OpenKey | undefined,
  version: string,
): Headers {
  const headers = new Headers(arrival.request.headers);
  dropNamedByConnection(headers);
  for (const name of notForProviders) headers.delete(name);
  for (const name of [...headers.keys()]) if (notForProvidersPrefix.test(name)) headers.delete(name);
  headers.set("x-request-id", arrival.requestId);
  headers.set("x-proxy", "llm-proxy");
  headers.set("x-proxy-version", version);
  if (!headers.has("accept") && /[?&]stream=true(&|$)/.test(arrival.query))
    headers.set("accept", "text/event-stream");
  for (const [name, value] of provider.staticHeaders) headers.set(name, value);
  placeKey(headers, provider, key);
  return headers;
}

function placeKey(headers: Headers, { auth }: Provider, key: OpenKey | undefined): void {
  if (key === undefined) return;
  if (auth.scheme === "bearer") headers.set("authorization", `Bearer ${key.text.reveal()}`);
  if (auth.scheme === "header") headers.set(auth.name, auth.prefix + key.text.reveal());
}

/** The query for the provider: as it came, with the key, and no other one, where the provider takes it there. */
export function upstreamQuery(query: string, { auth }: Provider, key: OpenKey | undefined): string {
  if (auth.scheme !== "query" || key === undefined) return query;
  const rest = withoutParameters(query, (name) => name.toLowerCase() === auth.name.toLowerCase());
  const pair = `${auth.name}=${encodeURIComponent(key.text.reveal())}`;
  return rest === "" ? `?${pair}` : `${rest}&${pair}`;
}

function dropNamedByConnection(headers: Headers): void {
  const named = headers.get("connection");
  if (named === null || named === "keep-alive" || named === "close") return;
  for (const name of named.split(",")) {
    const token = name.trim();
    if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(token)) headers.delete(token);
  }
}

/** Headers for the client: the provider's, less what is hop-by-hop, and ours. */
export function clientHeaders(
  arrival: Arrival,
  reply: Reply,
  hold: Hold,
  options: { readonly timing: boolean },
): Headers {
  const headers = new Headers(reply.upstream.headers);
  dropNamedByConnection(headers);
  for (const name of notForClients) headers.delete(name);
  for (const name of [...headers.keys()]) if (name.startsWith(ownPrefix)) headers.delete(name);
  // Else nginx gathers a stream before it hands it on (STR-108); what the provider says about that stands.
  if (isEventStream(reply.upstream) && !headers.has("x-accel-buffering"))
    headers.set("x-accel-buffering", "no");
  headers.set("x-proxy", "llm-proxy");
  headers.set("x-llm-proxy-request-id", arrival.requestId);
  headers.set("x-correlation-id", arrival.correlationId);
  if (hold.remainingRequests !== undefined)
    headers.set("x-llm-proxy-remaining-requests", String(hold.remainingRequests));
  if (hold.remainingNanoUsd !== undefined)
    headers.set("x-llm-proxy-remaining-budget-usd", formatUsd(hold.remainingNanoUsd));
  if (reply.isFallback) headers.set("x-llm-proxy-fallback", reply.provider.name);
  if (reply.retries > 0) headers.set("x-llm-proxy-retries", String(reply.retries));
  if (options.timing) setTiming(headers, arrival, reply);
  return headers;
}

/** The clock gives milliseconds; the fields promise nanoseconds, so the rest is zeros. */
function setTiming(headers: Headers, arrival: Arrival, reply: Reply): void {
  headers.set("x-proxy-received-at", isoNanos(arrival.atMs));
  headers.set("x-proxy-sent-backend-at", isoNanos(reply.sentAtMs));
  headers.set("x-proxy-first-response-at", isoNanos(reply.answeredAtMs));
  headers.set("x-upstream-request-start", `${reply.sentAtMs}000000`);
  headers.set("x-upstream-request-stop", `${reply.answeredAtMs}000000`);
}

function isoNanos(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000000Z`;
}
