import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkParameters, matchesGlob } from "./parameters.ts";

describe("a glob", () => {
  const table: [pattern: string, text: string, matches: boolean][] = [
    ["gpt-4o", "gpt-4o", true],
    ["gpt-4o", "gpt-4o-mini", false],
    ["gpt-4o-*", "gpt-4o-mini", true],
    ["gpt-4o-*", "gpt-4o-", true],
    ["*", "", true],
    ["*", "a/b", false],
    ["*/*", "a/b", true],
    ["?", "/", false],
    ["g?t", "gpt", true],
    ["gpt-[345]", "gpt-4", true],
    ["gpt-[3-5]", "gpt-6", false],
    ["gpt-[!3-5]", "gpt-6", true],
    ["a.c", "abc", false],
    ["[x", "[x", true],
    ["*a*b*c", "xxaxxbxxc", true],
    ["*a*b*c", "xxaxxbxx", false],
  ];
  test.each(table)("%p against %p: %p", (pattern, text, matches) => {
    expect(matchesGlob(pattern, text)).toBe(matches);
  });
  test("of many stars is not slow", () => {
    expect(matchesGlob(`${"*a".repeat(50)}b`, "a".repeat(10_000))).toBe(false);
  });
  test("of stars and letters says what the regular expression says", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "*", "?", "/"), maxLength: 8 });
    fc.assert(
      fc.property(
        letters,
        fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 8 }),
        (glob, text) => {
          const source = glob.replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
          expect(matchesGlob(glob, text)).toBe(new RegExp(`^${source}$`).test(text));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("param_whitelist", () => {
  const allowed = new Map([["model", ["gpt-4o", "gpt-4o-*"]]]);
  const check = (fields: [string, string | undefined][]) =>
    checkParameters(
      fields.map(([name, scalar]) => ({ name, scalar })),
      allowed,
    );
  test("passes what is allowed, what is absent and what is not listed", () => {
    for (const fields of [[["model", "gpt-4o-mini"]], [], [["other", "x"]]] as [string, string][][])
      expect(check(fields).ok).toBe(true);
  });
  test.each(["Model", "MODEL", "mODEL"])("checks %p as model: some providers read it so", (name) => {
    expect(check([[name, "gpt-3"]])).toMatchObject({ error: { code: "param_not_allowed" } });
    expect(check([[name, "gpt-4o"]]).ok).toBe(true);
    const both: [string, string][] = [
      ["model", "gpt-4o"],
      [name, "gpt-4o"],
    ];
    expect(check(both)).toMatchObject({ error: { code: "invalid_request_body" } });
  });
  test("knows the letters that fold to ASCII", () => {
    const one = (listed: string, name: string) =>
      checkParameters([{ name, scalar: "x" }], new Map([[listed, ["y"]]])).ok;
    expect([one("task", "ta\u017fk"), one("task", "tas\u212a"), one("task", "tasc")]).toEqual([
      false,
      false,
      true,
    ]);
  });
  test("refuses another value and says which are allowed", () => {
    expect(check([["model", "gpt-3"]])).toMatchObject({
      error: { code: "param_not_allowed", name: "model", value: "gpt-3", allowed: ["gpt-4o", "gpt-4o-*"] },
    });
  });
  test("refuses a listed name that comes twice or holds no scalar", () => {
    expect(
      check([
        ["model", "gpt-4o"],
        ["model", "gpt-4o"],
      ]),
    ).toMatchObject({ error: { code: "invalid_request_body" } });
    expect(check([["model", undefined]])).toMatchObject({ error: { code: "invalid_request_body" } });
  });
});
