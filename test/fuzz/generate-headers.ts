import type { Headers } from "../harness/http-message.ts";
import type { Random } from "./random.ts";

type Field = Headers[number];

const nameChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!#$%&'*+^`|~";
const valueChars = "abcXYZ019 \t,;=:/?\"'()<>@[]{}\\%&*+~|^`!#$\xa1\xc3\xa9\xff";

/** A field that nobody knows, of every character that is legal. */
function unknownField(random: Random): Field {
  const name = random.list(1, 12, () => random.pick([...nameChars])).join("");
  return [`x-${name}`, oddValue(random)];
}

function oddValue(random: Random): string {
  if (random.chance(0.1)) return random.pick(["", "a,b", " a", '"a, b"', "1, 2", "v".repeat(2_000)]);
  return random
    .list(0, 30, () => random.pick([...valueChars]))
    .join("")
    .trim();
}

const requestFields: Headers = [
  ["Accept", "application/json"],
  ["ACCEPT", "text/event-stream"],
  ["Accept-Encoding", "gzip, br;q=0.5, *;q=0"],
  ["accept-language", "en"],
  ["User-Agent", "sdk/1 (x; y)"],
  ["Content-Type", "application/json"],
  ["content-type", 'multipart/form-data; boundary="b"'],
  ["Content-Encoding", "gzip"],
  ["anthropic-version", "2023-06-01"],
  ["anthropic-beta", "a,b"],
  ["OpenAI-Organization", "org"],
  ["Idempotency-Key", "k"],
  ["x-stainless-retry-count", "0"],
  ["traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
  ["Range", "bytes=0-1"],
  ["If-None-Match", '"a"'],
  ["Cache-Control", "no-cache"],
  ["Pragma", "no-cache"],
  ["Date", "Wed, 01 Jan 2020 00:00:00 GMT"],
  ["Via", "1.1 office"],
  ["Max-Forwards", "3"],
  ["From", "a@b"],
  ["X-Request-ID", "req-1.2:3"],
  ["X-Request-ID", "not a sane id"],
  ["X-Correlation-ID", "c-1"],
  // what stops here
  ["Connection", "keep-alive, X-Named"],
  ["X-Named", "1"],
  ["Keep-Alive", "timeout=5"],
  ["TE", "trailers"],
  ["Proxy-Authorization", "Basic eDp5"],
  ["Cookie", "a=1"],
  ["Referer", "https://page.example/"],
  ["Sec-Fetch-Mode", "cors"],
  ["Forwarded", "for=10.0.0.1"],
  ["X-Forwarded-For", "10.0.0.1"],
  ["X-Forwarded-Odd", "x"],
  ["X-Real-IP", "10.0.0.1"],
  ["CF-Connecting-IP", "10.0.0.1"],
  ["X-Original-Forwarded-For", "10.0.0.1"],
  ["X-Request-Start", "1"],
  ["X-Body-Hash", "x"],
  ["Expect", "100-continue"],
];

const answerFields: Headers = [
  ["Date", "Wed, 01 Jan 2020 00:00:00 GMT"],
  ["Server", "upstream"],
  ["ETag", 'W/"x"'],
  ["Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT"],
  ["Cache-Control", "no-store"],
  ["Vary", "Accept"],
  ["Vary", "Origin"],
  ["Location", "/elsewhere?a=%20"],
  ["Retry-After", "7"],
  ["retry-after-ms", "250"],
  ["x-request-id", "req_theirs"],
  ["openai-processing-ms", "12"],
  ["x-ratelimit-remaining-requests", "99"],
  ["Content-Encoding", "gzip"],
  ["Content-Encoding", "foo"],
  ["Content-Range", "bytes 0-1/10"],
  ["Content-Disposition", 'attachment; filename="a;b"'],
  ["Accept-Ranges", "bytes"],
  ["WWW-Authenticate", "Bearer"],
  ["WWW-Authenticate", 'Basic realm="a, b"'],
  ["Link", "</a>; rel=next"],
  ["Via", "1.1 cdn"],
  ["Age", "3"],
  ["Warning", '110 - "stale"'],
  ["Access-Control-Allow-Origin", "*"],
  ["Strict-Transport-Security", "max-age=1"],
  // what stops here
  ["Set-Cookie", "a=1; Path=/"],
  ["Set-Cookie", "b=2"],
  ["Keep-Alive", "timeout=9"],
  ["Proxy-Authenticate", "Basic"],
  ["Connection", "X-Named"],
  ["X-Named", "1"],
  ["X-Proxy", "theirs"],
];

const contentTypes = [
  "application/json",
  "application/json; charset=utf-8",
  "TEXT/HTML",
  "audio/mpeg",
  "application/octet-stream",
  "text/plain;charset=latin1",
  "",
];

/** Fields of a request: known, unknown, odd, repeated, many. Far below the bounds of docs/limits.md. */
export function generateRequestHeaders(random: Random): Headers {
  return fields(random, requestFields);
}

/** Fields of an answer, its Content-Type included. */
export function generateAnswerHeaders(random: Random, isStream: boolean): Headers {
  const type = isStream
    ? random.pick(["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream"])
    : random.pick(contentTypes);
  const typed: Headers = isStream || random.chance(0.85) ? [["Content-Type", type]] : [];
  return [...typed, ...fields(random, answerFields)];
}

function fields(random: Random, known: Headers): Headers {
  const many = random.chance(0.03) ? random.list(40, 90, (n): Field => [`x-many-${n}`, "v".repeat(20)]) : [];
  const chosen = random.list(0, 8, () => (random.chance(0.75) ? random.pick(known) : unknownField(random)));
  const repeated = chosen.filter(([name]) => name.startsWith("x-") && random.chance(0.1));
  return [...chosen, ...many, ...repeated];
}
