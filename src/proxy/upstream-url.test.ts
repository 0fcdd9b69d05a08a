import { expect, test } from "bun:test";
import { upstreamPath } from "./upstream-url.ts";

const bases = [
  { origin: "https://api.example", basePath: "" },
  { origin: "http://api.example:8080", basePath: "/llm" },
  { origin: "https://api.example", basePath: "/openai/v1" },
  { origin: "http://[fd00::1]:8000", basePath: "/a/b" },
];

/** Pieces that lead readers of URLs astray, and harmless ones between them. */
const pieces =
  "/ // /// \\ @ : . .. %2e %2E%2e %2f %5c %00 %0d%0a \0 \t \r\n # ? & = ; evil.example :443 :99999 user:pass@ http: https:// [::1] 127.0.0.1 v1 é ☃ % %zz ' \" < > { } | ^ ` ~ * a xn-- openai llm".split(
    " ",
  );

/** Mulberry32: the same hostile paths in every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("whatever path and query are sent, the request stays at the provider's host and below its path, or is not sent", () => {
  const random = createRandom(42);
  const some = (countMax: number) =>
    Array.from(
      { length: Math.floor(random() * countMax) },
      () => pieces[Math.floor(random() * pieces.length)],
    ).join("");
  let sent = 0;
  for (let round = 0; round < 50_000; round++) {
    const base = bases[round % bases.length]!;
    const path = (random() < 0.9 ? "/" : "") + some(7);
    const query = random() < 0.5 ? "" : `?${some(5)}`;
    const target = upstreamPath(base, path, query);
    if (target === undefined) continue;
    sent++;
    const url = new URL(base.origin + target);
    const seen = [url.origin, url.username, url.password, `${url.pathname}/`.startsWith(`${base.basePath}/`)];
    expect([path, query, ...seen]).toEqual([path, query, base.origin, "", "", true]);
    // Nor is it read in another way once an address stands in the place of the name.
    expect(new URL(`https://192.0.2.1:1${target}`).host).toBe("192.0.2.1:1");
  }
  expect(sent).toBeGreaterThan(20_000);
});

test.each([
  ["/llm", "/../admin"],
  ["/llm", "/v1/../../admin"],
  ["/llm", "/%2e%2e/admin"],
  ["/llm", "x"],
  ["/llm", "\\..\\admin"],
  ["", "@evil.example/"],
  ["", ".evil.example/"],
  ["", ":99999/"],
  ["", ""],
])("below base path %p the path %p is not sent", (basePath, path) => {
  const sent = upstreamPath({ origin: "https://api.example", basePath }, path, "");
  expect([undefined, "/"]).toContain(sent);
});

test.each([
  ["/v1/chat", "?a=1&b=%20", "/llm/v1/chat?a=1&b=%20"],
  ["/", "", "/llm/"],
  ["//x", "", "/llm//x"],
  ["/v1/models", "?", "/llm/v1/models?"],
  ["/a%2Fb", "?u=http://evil.example/@x", "/llm/a%2Fb?u=http://evil.example/@x"],
])("%s%s is sent as it is", (path, query, target) => {
  expect(upstreamPath({ origin: "https://api.example", basePath: "/llm" }, path, query)).toBe(target);
});
