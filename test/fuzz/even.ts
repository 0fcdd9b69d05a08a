import type { Headers } from "../harness/http-message.ts";
import type { AnswerView, RequestView, View } from "./view.ts";

/** The same exchange, directly and through the proxy. */
export interface Pair {
  readonly direct: View;
  readonly proxied: View;
}

/** What the server was set up with. */
export interface Facts {
  readonly providerKey: string;
  /** Host and port of the provider. */
  readonly upstreamHost: string;
}

export const credentials = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
];
const tellsOfCaller = [
  "cookie",
  "expect",
  "forwarded",
  "origin",
  "referer",
  "x-real-ip",
  "x-client-ip",
  "cf-connecting-ip",
  "cf-ipcountry",
  "true-client-ip",
  "x-original-forwarded-for",
  "x-upstream-request-start",
  "x-request-start",
  "x-body-hash",
];
const signs = ["signature", "signature-input"];

export function isNotForProviders(headers: Headers): (name: string) => boolean {
  const named = namedByConnection(headers);
  return (name) =>
    [...hopByHop, ...tellsOfCaller, ...signs, ...named].includes(name) ||
    ["x-forwarded-", "x-llm-proxy-", "x-amz-", "sec-"].some((prefix) => name.startsWith(prefix));
}

export function isNotForClients(headers: Headers): (name: string) => boolean {
  const named = namedByConnection(headers);
  return (name) => [...hopByHop, "set-cookie", ...named].includes(name);
}

function namedByConnection(headers: Headers): string[] {
  const values = headers.filter(([name]) => name === "connection").map(([, value]) => value);
  return values
    .join()
    .split(",")
    .map((name) => name.trim().toLowerCase());
}

export function isOurs(name: string): boolean {
  return [
    "x-proxy",
    "x-llm-proxy-request-id",
    "x-correlation-id",
    "x-proxy-received-at",
    "x-proxy-sent-backend-at",
    "x-proxy-first-response-at",
    "x-upstream-request-start",
    "x-upstream-request-stop",
  ].includes(name);
}

export function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

export function isAmbiguous(target: string): boolean {
  const path = asUrl(target).split("?", 1)[0] ?? "";
  const plain = (text: string) =>
    text.replace(/%(2[5ef]|3b)/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const hasDots = (text: string) => text.split("/").some((segment) => /^\.{1,2}(;|$)/.test(segment));
  return /%([01][0-9a-f]|7f|5c)/i.test(path) || hasDots(plain(path)) || hasDots(plain(plain(path)));
}

export function isRefusal({ requests, answer }: View, status: number, code: string): boolean {
  const codes = answer.headers.filter(([name]) => name === "x-llm-proxy-error");
  return requests.length === 0 && answer.status === status && codes.length === 1 && codes[0]?.[1] === code;
}

/** The target as the URL standard has it, by hand: what the runtime does must not be asked of the runtime. */
export function asUrl(target: string): string {
  const [beforeHash = ""] = target.split("#", 1);
  const mark = beforeHash.indexOf("?");
  const path = mark < 0 ? beforeHash : beforeHash.slice(0, mark);
  const query = mark < 0 ? "" : beforeHash.slice(mark);
  return encoded(withoutDots(path), /["<>^`{}\x7f-\xff]/g) + encoded(query, /["<>'\x7f-\xff]/g);
}

function encoded(text: string, chars: RegExp): string {
  // a byte that is no UTF-8 has become U+FFFD
  const readable = Buffer.from(Buffer.from(text, "latin1").toString("utf8")).toString("latin1");
  return readable.replace(
    chars,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

function withoutDots(path: string): string {
  const [, ...segments] = path.replaceAll("\\", "/").split("/");
  const kept: string[] = [];
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    const dots = segment.replace(/%2e/gi, ".");
    if (dots === "..") kept.pop();
    if (dots !== "." && dots !== "..") kept.push(segment);
    else if (isLast) kept.push("");
  }
  return `/${kept.join("/")}`.replace(/^\/+/, "/");
}

export function evenRequestIds(pair: Pair): Pair {
  const own = pair.direct.requests[0]?.headers.filter(([name]) => name === "x-request-id") ?? [];
  const isSane = own.length === 1 && /^[A-Za-z0-9._:-]{1,128}$/.test(own[0]?.[1] ?? "");
  const added = onDirectRequest(pair, (request) => ({
    ...request,
    headers: [...without(request.headers, (name) => name === "x-proxy"), ["x-proxy", "llm-proxy"]],
  }));
  return onRequest(added, (request) => ({
    ...request,
    headers: without(
      request.headers,
      (name) => name === "x-proxy-version" || (name === "x-request-id" && !isSane),
    ),
  }));
}

export function joined(headers: Headers): Headers {
  const lists = Map.groupBy(headers, ([name]) => name);
  return [...lists].map(([name, fields]) => [
    name,
    fields
      .map(([, value]) => value)
      .join(", ")
      .trim(),
  ]);
}

export function evenFraming(pair: Pair): Pair {
  const isFraming = (name: string): boolean => name === "content-length" || name === "transfer-encoding";
  const direct = pair.direct.answer.headers.filter(([name]) => name === "content-length");
  const proxied = pair.proxied.answer.headers.filter(([name]) => name === "content-length");
  const isKept = direct.length > 0 && proxied.length > 0 && pair.direct.answer.status !== 205;
  const bare = onRequest(pair, (request) => ({ ...request, headers: without(request.headers, isFraming) }));
  return onAnswer(bare, (answer) => ({
    ...answer,
    headers: without(answer.headers, (name) => isFraming(name) && !(isKept && name === "content-length")),
  }));
}

export function evenBroken({ direct, proxied }: Pair): Pair {
  if (direct.answer.isWhole) return { direct, proxied };
  const [first] = direct.requests;
  const [got] = proxied.requests;
  // the runtime sends a GET again where a used connection closes without an answer
  const isAgain =
    first !== undefined && got !== undefined && isSafe(first.method) && proxied.requests.length === 2;
  const requests = isAgain ? [got] : proxied.requests;
  const { answer } = proxied;
  const code = answer.headers.find(([name]) => name === "x-llm-proxy-error")?.[1];
  const isBadGateway = answer.status === 502 && code === "bad_gateway" && answer.isWhole;
  // the end of the head goes out with the first byte of the body, so that a cut may come before it
  const isCutInHead = Number.isNaN(answer.status) && !answer.isWhole;
  if (isBadGateway || isCutInHead) return { direct: { ...direct, answer }, proxied: { requests, answer } };
  const body = isEventStream(answer) ? withoutErrorEvent(answer.body) : answer.body;
  const isPart = direct.answer.body.startsWith(body);
  return { direct, proxied: { requests, answer: { ...answer, body: isPart ? direct.answer.body : body } } };
}

export function isEventStream({ headers }: AnswerView): boolean {
  const type = headers.find(([name]) => name === "content-type")?.[1] ?? "";
  return type.toLowerCase().startsWith("text/event-stream");
}

/** Only at the end of an event. */
function withoutErrorEvent(body: string): string {
  return body.replace(
    /(^|\n\n|\r\n\r\n)(?:event: error\n)?data: \{[^\n]*"code":"bad_gateway"[^\n]*\}\n\n$/,
    "$1",
  );
}

/** What the runtime says of a connection that it keeps. */
export function keptAlive(method: string): Headers {
  return method === "HEAD" ? [] : [["connection", "keep-alive"]];
}

export function missing(headers: Headers, name: string, value: string): Headers {
  return headers.some(([key]) => key === name) ? [] : [[name, value]];
}

export function without(headers: Headers, isDropped: (name: string) => boolean): Headers {
  return headers.filter(([name]) => !isDropped(name));
}

type ChangeRequest = (request: RequestView) => RequestView;
type ChangeAnswer = (answer: AnswerView) => AnswerView;

export function onDirectRequest({ direct, proxied }: Pair, change: ChangeRequest): Pair {
  return { direct: { ...direct, requests: direct.requests.map(change) }, proxied };
}

function onRequest(pair: Pair, change: ChangeRequest): Pair {
  const { direct, proxied } = onDirectRequest(pair, change);
  return { direct, proxied: { ...proxied, requests: proxied.requests.map(change) } };
}

export function onDirectAnswer({ direct, proxied }: Pair, change: ChangeAnswer): Pair {
  return { direct: { ...direct, answer: change(direct.answer) }, proxied };
}

export function onProxiedAnswer({ direct, proxied }: Pair, change: ChangeAnswer): Pair {
  return { direct, proxied: { ...proxied, answer: change(proxied.answer) } };
}

export function onAnswer(pair: Pair, change: ChangeAnswer): Pair {
  return onProxiedAnswer(onDirectAnswer(pair, change), change);
}

export function onHeaders(pair: Pair, change: (headers: Headers) => Headers): Pair {
  const both = onRequest(pair, (request) => ({ ...request, headers: change(request.headers) }));
  return onAnswer(both, (answer) => ({ ...answer, headers: change(answer.headers) }));
}
