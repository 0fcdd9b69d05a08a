import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compileAllowList, joinPath, readDecoded } from "./policy.ts";

describe("CFG-106: an allow-list entry matches by whole segments", () => {
  const table: [entry: string, path: string, allowed: boolean][] = [
    ["/v1/models", "/v1/models", true],
    ["/v1/models", "/v1/models/gpt-4o", true],
    ["/v1/models", "/v1/models/", true],
    ["/v1/models", "/v1/modelsX", false],
    ["/v1/models", "/v1/models-admin", false],
    ["/v1/models", "/x/v1/models", false],
    ["/v1/models", "//v1/models", false],
    ["/v1/models", "/V1/models", false],
    ["/v1/models", "/v1", false],
    ["/v1/models/", "/v1/models", true],
    ["/v1/models$", "/v1/models", true],
    ["/v1/models$", "/v1/models/", false],
    ["/v1/models$", "/v1/models/x", false],
    ["/v1/*/runs", "/v1/t1/runs", true],
    ["/v1/*/runs", "/v1/t1/x/runs", false],
    ["/v1/*/runs", "/v1//runs", true],
    ["/v1beta/models/*:generateContent", "/v1beta/models/g-2:generateContent", true],
    ["/v1beta/models/*:generateContent", "/v1beta/models/a/b:generateContent", false],
    ["/v1beta/models/x:generateContent", "/v1beta/models/x:generateContent", true],
    ["/v1beta/models/x:generateContent", "/v1beta/models/x:streamGenerateContent", false],
    ["/v1/a.b", "/v1/aXb", false],
    ["/*", "/", true],
    ["/*", "/v1/anything/at/all", true],
    ["/", "/v1", true],
  ];
  test.each(table)("%p on %p: %p", (entry, path, allowed) => {
    expect(compileAllowList([entry])(path)).toBe(allowed);
  });
  test("any entry of several is enough", () => {
    const mayCall = compileAllowList(["/a$", "/b"]);
    expect([mayCall("/a"), mayCall("/b/c"), mayCall("/c")]).toEqual([true, true, false]);
  });
});

describe("the decoded reading", () => {
  const table: [path: string, decoded: string | undefined][] = [
    ["/v1/models", "/v1/models"],
    ["/v1/a%2Fb%20c", "/v1/a/b c"],
    ["/v1/100%", "/v1/100%"],
    ["/v1/%zz", "/v1/%zz"],
    ["/v1/..%2Fadmin", undefined],
    ["/v1/.%2F", undefined],
    ["/v1/a%2F..%2f..", undefined],
    ["/v1/a%5Cb", undefined],
    ["/v1/a%00", undefined],
    ["/v1/a%0d%0a", undefined],
    ["/v1/a..b%20", "/v1/a..b "],
  ];
  test.each(table)("of %p is %p", (path, decoded) => {
    const read = readDecoded(path);
    expect(read.ok ? read.value : undefined).toBe(decoded);
  });
});

describe("joining base path and request path", () => {
  const table: [base: string, path: string, joined: string][] = [
    ["", "/v1/models", "/v1/models"],
    ["/openai", "/v1/models", "/openai/v1/models"],
    ["/openai/v1", "/v1/models", "/openai/v1/models"],
    ["/openai/v1", "/v1", "/openai/v1"],
    ["/openai/v1", "/v1x/models", "/openai/v1/v1x/models"],
    ["/v1beta", "/v1beta/models", "/v1beta/models"],
    ["/v1beta", "/v1/models", "/v1beta/v1/models"],
    ["/api", "/api/x", "/api/api/x"],
  ];
  test.each(table)("%p and %p give %p", (base, path, joined) => {
    expect(joinPath(base, path)).toBe(joined);
  });
  test("always begins with the base path and holds the whole end of the request path", () => {
    fc.assert(
      fc.property(fc.constantFrom("", "/a", "/a/v1", "/v2"), fc.webPath(), (base, tail) => {
        const path = `/${tail.replace(/^\/+/, "")}`;
        const joined = joinPath(base, path);
        expect(joined.startsWith(base)).toBe(true);
        expect(joined.length).toBeLessThanOrEqual(base.length + path.length);
        expect(path.endsWith(joined.slice(base.length))).toBe(true);
      }),
    );
  });
});
