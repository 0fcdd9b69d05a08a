import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

// Failures that people met in the field with proxies like this one, and that must not happen here: each has a test whose
// name carries its number. `bun test -t "STR-105"` runs those of one.

const cases = {
  "STR-101": "characters cut by a read",
  "STR-102": "line ends and spaces of SSE",
  "STR-103": "event names, comments, ids pass",
  "STR-104": "streams that end without [DONE]",
  "STR-105": "a cut stream looks whole",
  "STR-106": "an orderly end too early",
  "STR-107": "events held back and gathered",
  "STR-108": "buffering by a front proxy",
  "STR-109": "a stream nobody asked for",
  "STR-110": "legal but rare SSE forms",
  "STR-111": "one event of many megabytes",
  "STR-112": "chunks without choices, broken JSON",
  "STR-113": "events are written anew",
  "STR-114": "streams that are no SSE",
  "TMO-101": "a quiet stream is cut",
  "TMO-102": "minutes of silence before answers",
  "TMO-103": "the client leaves in mid-stream",
  "TMO-104": "slow readers fill the memory",
  "TMO-105": "down is told from slow",
  "TMO-106": "a slow upload is idle",
  "TMO-107": "streams that hang for ever",
  "TMO-108": "leaving right after the end",
  "TMO-109": "request heads that never end",
  "ENC-101": "packed answers stay packed",
  "ENC-102": "Accept-Encoding as the client said",
  "ENC-103": "one framing for each answer",
  "ENC-104": "lengths of large downloads",
  "ENC-105": "codings that do not hold",
  "ENC-106": "packed request bodies",
  "ENC-107": "odd chunk framing",
  "ENC-108": "clients of HTTP/1.0",
  "BOD-101": "multipart with its boundary",
  "BOD-102": "uploads in chunks",
  "BOD-103": "bodies past the limit",
  "BOD-104": "images of many megabytes",
  "BOD-105": "Expect: 100-continue",
  "BOD-106": "answers before the upload's end",
  "BOD-107": "uploads that are gathered first",
  "BOD-108": "binary downloads stay binary",
  "BOD-109": "empty bodies stay empty",
  "HTP-101": "redirects are never followed",
  "HTP-102": "the Host line chooses routes",
  "HTP-103": "dot segments past the allow-list",
  "HTP-104": "an invented Content-Type",
  "HTP-105": "the query, byte for byte",
  "HTP-106": "statuses and errors of providers",
  "HTP-107": "an error inside a 200",
  "HTP-108": "fields between two machines",
  "HTP-109": "informational answers",
  "HTP-110": "upgrades, CONNECT and TRACE",
  "HTP-111": "joining base path and path",
  "HTP-112": "many and long headers",
  "HTP-113": "header bytes beyond ASCII",
  "HTP-114": "headers added or lost upwards",
  "HTP-115": "inner addresses leave the house",
  "HTP-116": "HEAD, OPTIONS, slashes and case",
  "AUT-101": "the caller's token goes upstream",
  "AUT-102": "the key in its place",
  "AUT-103": "an old key after rotation",
  "AUT-104": "keys in URLs reach logs",
  "AUT-105": "only the exact token works",
  "AUT-106": "401 that SDKs can read",
  "AUT-107": "signed requests of callers",
  "AUT-108": "paths without a check",
  "JSN-101": "numbers that no double holds",
  "JSN-102": "unknown fields stay",
  "JSN-103": "lone surrogates, broken UTF-8",
  "JSN-104": "large JSON stalls other streams",
  "JSN-105": "usage of unexpected types",
} as const;
type Case = keyof typeof cases;

/** Those that have no test, why not, and the page that says what happens instead. */
const cannot: Partial<Record<Case, { readonly reason: string; readonly page: string }>> = {
  "TMO-102": {
    reason: "400 s of silence are longer than all tests together: `make soak` keeps it",
    page: "bench/soak/silence.ts",
  },
};

const root = join(import.meta.dirname, "..");
const areas = [...new Set(Object.keys(cases).map((id) => id.slice(0, 3)))].join("|");

const transpiler = new Bun.Transpiler({ loader: "ts" });

/** Numbers in the names of tests: in the code, which has no comments any more. */
function numbersIn(source: string): string[] {
  return transpiler.transformSync(source).match(new RegExp(`\\b(?:${areas})-\\d{3}\\b`, "g")) ?? [];
}

const named = new Set(
  ["test", "src", "cli"].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.ts") && join(room, file) !== "test/cases.test.ts")
      .flatMap((file) => numbersIn(readFileSync(join(root, room, file), "utf8"))),
  ),
);

describe("every case of the field has a test", () => {
  test.each(Object.entries(cases))("%s: %s", (id) => {
    const excuse = cannot[id as Case];
    expect(named.has(id)).toBe(excuse === undefined);
    if (excuse !== undefined) expect(existsSync(join(root, excuse.page))).toBe(true);
  });

  test("and no test has the number of a case that there is not", () => {
    expect([...named].filter((id) => !(id in cases))).toEqual([]);
  });
});
