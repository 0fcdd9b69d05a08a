import {
  asUrl,
  credentials,
  evenBroken,
  evenFraming,
  evenRequestIds,
  type Facts,
  isAmbiguous,
  isEventStream,
  isNotForClients,
  isNotForProviders,
  isOurs,
  isRefusal,
  isSafe,
  joined,
  keptAlive,
  missing,
  onAnswer,
  onDirectAnswer,
  onDirectRequest,
  onHeaders,
  onProxiedAnswer,
  type Pair,
  without,
} from "./even.ts";

export interface AllowedDifference {
  readonly name: string;
  readonly reason: string;
  /** Where it is promised or admitted. */
  readonly source: string;
  /** Gives the pair without this difference: mostly by doing to the direct side what the proxy has to do. */
  readonly even: (pair: Pair, facts: Facts) => Pair;
}

/**
 * All that may be different, in the order in which it is evened out; whatever is left is a fault. An entry is as
 * narrow as it can be: it tells what has to be there instead, not only that something may be.
 */
const allowedDifferences: readonly AllowedDifference[] = [
  {
    name: "case and order of field names",
    reason:
      "Names are case-insensitive and their order means nothing; the runtime respells those that it knows",
    source: "RFC 9110 section 5.1, 5.3; docs/limits.md",
    even: (pair) => onHeaders(pair, (headers) => headers.map(([name, value]) => [name.toLowerCase(), value])),
  },
  {
    name: "path that can be read in two ways",
    reason: "An encoded dot segment, backslash or control character is refused with invalid_path",
    source: "product.md, Egress; docs/errors.md",
    even: (pair) =>
      isAmbiguous(pair.direct.requests[0]?.target ?? "") && isRefusal(pair.proxied, 400, "invalid_path")
        ? { direct: pair.proxied, proxied: pair.proxied }
        : pair,
  },
  {
    name: "target",
    reason:
      "The runtime reads it as a URL: dot segments resolved, slashes at the start counted as one, a few characters encoded, no fragment",
    source: "WHATWG URL; docs/limits.md, Towards the provider",
    even: (pair) => onDirectRequest(pair, (request) => ({ ...request, target: asUrl(request.target) })),
  },
  {
    name: "body of GET and HEAD",
    reason: "It has no meaning (RFC 9110 section 9.3.1), and the runtime does not hand it out",
    source: "docs/limits.md, Towards the provider",
    even: (pair) =>
      onDirectRequest(pair, (request) => (isSafe(request.method) ? { ...request, body: "" } : request)),
  },
  {
    name: "fields that stop at the proxy",
    reason: "They are between two machines, or tell of the caller",
    source: "RFC 9110 section 7.6.1; contract 2.8",
    even: (pair) =>
      onDirectRequest(pair, (request) => ({
        ...request,
        headers: without(request.headers, isNotForProviders(request.headers)),
      })),
  },
  {
    name: "credentials and host",
    reason: "The caller's token becomes the provider's key, the host the provider's",
    source: "product.md, Credentials",
    even: (pair, { providerKey, upstreamHost }) =>
      onDirectRequest(pair, (request) => ({
        ...request,
        headers: [
          ...without(request.headers, (name) => ["host", ...credentials].includes(name)),
          ["authorization", `Bearer ${providerKey}`],
          ["host", upstreamHost],
        ],
      })),
  },
  {
    name: "fields that the proxy adds to a request",
    reason: "Ids for finding it again; a caller's own X-Request-ID is kept where it is sane",
    source: "contract 2.8",
    even: evenRequestIds,
  },
  {
    name: "fields that the runtime adds to a request",
    reason: "User-Agent and Accept are there always, and connections are kept but for HEAD",
    source: "docs/limits.md, Towards the provider",
    even: (pair) =>
      onDirectRequest(pair, ({ headers, ...request }) => ({
        ...request,
        headers: [
          ...headers,
          ...keptAlive(request.method),
          ...missing(headers, "user-agent", `Bun/${Bun.version}`),
          ...missing(
            headers,
            "accept",
            /[?&]stream=true(&|$)/.test(request.target) ? "text/event-stream" : "*/*",
          ),
        ],
      })),
  },
  {
    name: "fields that stop on the way back",
    reason: "They are between two machines; cookies of a provider are no business of the caller",
    source: "RFC 9110 section 7.6.1; contract 2.8",
    even: (pair) =>
      onDirectAnswer(pair, (answer) => ({
        ...answer,
        headers: without(answer.headers, isNotForClients(answer.headers)),
      })),
  },
  {
    name: "fields that the proxy adds to an answer",
    reason: "Its name, ids and times",
    source: "contract 2.8",
    even: (pair) => onAnswer(pair, (answer) => ({ ...answer, headers: without(answer.headers, isOurs) })),
  },
  {
    name: "Date and Connection of an answer",
    reason: "The listener's own connection, and a Date where the provider sent none",
    source: "RFC 9110 section 6.6.1; docs/limits.md, Towards the client",
    even: (pair) => {
      const hasDate = pair.direct.answer.headers.some(([name]) => name === "date");
      return onProxiedAnswer(pair, (answer) => ({
        ...answer,
        headers: without(answer.headers, (name) => name === "connection" || (name === "date" && !hasDate)),
      }));
    },
  },
  {
    name: "reason phrase",
    reason: "It means nothing; the runtime writes the standard one",
    source: "RFC 9112 section 4; docs/limits.md, Towards the client",
    even: (pair) => onAnswer(pair, (answer) => ({ ...answer, reason: "" })),
  },
  {
    name: "repeated fields",
    reason: "The runtime joins them to one list, in their order",
    source: "RFC 9110 section 5.3; docs/limits.md",
    even: (pair) => onHeaders(pair, joined),
  },
  {
    name: "X-Accel-Buffering of a stream",
    reason: "Else nginx gathers events before it hands them on; what the provider says about that stands",
    source: "docs/behind-a-proxy.md",
    even: (pair) =>
      onDirectAnswer(pair, (answer) =>
        isEventStream(answer)
          ? { ...answer, headers: [...answer.headers, ...missing(answer.headers, "x-accel-buffering", "no")] }
          : answer,
      ),
  },
  {
    name: "framing",
    reason:
      "Length or chunks; the body and whether it is whole are compared without it, and a length must be right",
    source: "RFC 9112 section 6; docs/limits.md",
    even: evenFraming,
  },
  {
    name: "body of 205",
    reason: "This status has none (RFC 9110 section 15.3.6), and the runtime does not hand it out",
    source: "docs/limits.md, Towards the client",
    even: (pair) =>
      pair.direct.answer.status === 205
        ? onDirectAnswer(pair, (answer) => ({ ...answer, body: "", isWhole: true }))
        : pair,
  },
  {
    name: "broken answer",
    reason:
      "Its last bytes may be lost with the connection, a stream gets an error event at an event's end, and what broke before it began is a 502 or has no whole head",
    source: "product.md, Errors; docs/limits.md, Towards the client",
    even: evenBroken,
  },
];

/** Both sides without what may be different. */
export function evenOut(pair: Pair, facts: Facts): Pair {
  return allowedDifferences.reduce((rest, { even }) => even(rest, facts), pair);
}
