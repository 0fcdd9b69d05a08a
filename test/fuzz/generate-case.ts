import type { FuzzAnswer, FuzzCase, FuzzRequest } from "./fuzz-case.ts";
import { eventStream, generateBytes, intoPieces } from "./generate-bytes.ts";
import { generateAnswerHeaders, generateRequestHeaders } from "./generate-headers.ts";
import type { Random } from "./random.ts";

// OPTIONS is answered here (contract 2.5), and no other method of the provider file is there.
const methods = ["GET", "GET", "HEAD", "POST", "POST", "POST", "PUT", "PATCH", "DELETE"];
const segments = [1, 3, 17, 100, 1_000, 10_000, 1 << 30, 1 << 30, 1 << 30];
const statuses = [
  200, 200, 200, 200, 200, 201, 202, 203, 204, 205, 206, 207, 226, 300, 301, 302, 303, 304, 307, 308, 400,
  401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 418, 421, 422, 424, 425, 428, 429, 431, 451, 499, 500,
  501, 502, 503, 504, 507, 511, 520, 529, 599,
];

const plainSegments = [
  "v1",
  "chat",
  "completions",
  "models",
  "gpt-4o:free",
  "a;b=c",
  "d,e",
  "@x",
  "~",
  "(1)",
  "$",
  "!",
  "*",
  "",
];
const encodedSegments = [
  "%2F",
  "%2f..",
  "%7e",
  "%zz",
  "%",
  "%25",
  "%2525",
  "%00",
  "%5c",
  "%C3%A9",
  "%ff",
  "%252e",
  "a%20b",
  "+",
  "[1]",
  "|",
];
const rawSegments = [
  "\xc3\xa9",
  "\xe9",
  "\xf0\x9f\x8c\x8d",
  '"',
  "<>",
  "^`{}",
  "a\\b",
  ".",
  "..",
  "%2e",
  "%2E%2e",
  "...",
  "\x7f",
];
const parameters = [
  "a",
  "a=1",
  "a=",
  "=b",
  "",
  "a=1",
  "q=%20+%2B",
  "u=%C3%A9",
  "x=[1]",
  "s=a;b",
  "t=?/:@",
  "p=|^`{}\\",
  "k==",
  "%zz=%",
  "alt=sse",
  "stream=true",
  "r=\xc3\xa9",
  "r=\xe9",
  "o=\"<>'",
  "key=theirs",
  "d=\x7f",
];

/** One case, all of it from `random`. */
export function generateCase(random: Random): FuzzCase {
  const request = generateRequest(random);
  return { request, answer: generateAnswer(random, request.method) };
}

function generateRequest(random: Random): FuzzRequest {
  const method = random.pick(methods);
  const framing = random.pick(
    method === "GET" || method === "HEAD"
      ? (["none", "none", "none", "length", "chunked"] as const)
      : (["none", "length", "length", "chunked"] as const),
  );
  return {
    method,
    target: generateTarget(random),
    headers: generateRequestHeaders(random),
    framing,
    pieces: framing === "none" ? [] : intoPieces(random, generateBytes(random)),
    segment: random.pick(segments),
  };
}

function generateTarget(random: Random): string {
  const lists = random.chance(0.6) ? [plainSegments] : [plainSegments, encodedSegments, rawSegments];
  const path = random.list(1, 6, () => `/${random.pick(random.pick(lists))}`).join("");
  const query = random.chance(0.5) ? `?${random.list(0, 5, () => random.pick(parameters)).join("&")}` : "";
  const long = random.chance(0.03)
    ? `${query === "" ? "?" : "&"}${"l".repeat(random.between(1_000, 8_000))}`
    : "";
  return path + query + long + (random.chance(0.02) ? "#part" : "");
}

function generateAnswer(random: Random, method: string): FuzzAnswer {
  const isStream = random.chance(0.25);
  const status = isStream ? 200 : random.pick(statuses);
  const isBodiless = status === 204 || status === 304;
  // The end of these is known before the connection closes: a close then would be a race that nobody can win.
  const staysOpen = method === "HEAD" || status === 205;
  const framings = ["length", "length", "chunked", "chunked", staysOpen ? "length" : "close"] as const;
  const framing = isBodiless ? "none" : random.pick(framings);
  const pieces = isBodiless ? [] : intoPieces(random, isStream ? eventStream(random) : generateBytes(random));
  const isCut = !staysOpen && framing !== "close" && Buffer.concat(pieces).length > 1 && random.chance(0.08);
  return {
    status,
    reason: random.pick(["OK", "Fine By Me", "", "x"]),
    headers: generateAnswerHeaders(random, isStream),
    framing,
    pieces,
    segment: random.pick(segments),
    hasEarlyHints: random.chance(0.03),
    end: isCut ? random.pick(["cut", "reset"]) : "whole",
  };
}
