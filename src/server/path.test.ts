import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isOneHost, isReserved, isUnder, readTarget, withoutSlash } from "./path.ts";

const metricsPath = "/metrics";

test.each([
  ["http://a/v1/x", "/v1/x", ""],
  ["http://localhost:8080/v1/x?a=1&b=?", "/v1/x", "?a=1&b=?"],
  ["http://abcd/", "/", ""],
  ["http://abcd/v1#frag?not=query", "/v1", ""],
  ["http://abcd/v1?q#frag", "/v1", "?q"],
  ["http://abcd//manage", "//manage", ""],
  ["http://[::1]/manage/projects", "/manage/projects", ""],
  ["https://abcd/x?u=http://y/z", "/x", "?u=http://y/z"],
  ["http://abcd/x/%2fmanage", "/x/%2fmanage", ""],
])("%s is read as path and query", (url, path, query) => {
  expect(readTarget(url)).toEqual({ path, query });
});

test.each(["/v1/a", "//evil/manage", "/manage?x=http://y/z", "a:80", "", "http://abcd", "http://abcd?x"])(
  "%p is refused: it has no host, or no path",
  (url) => {
    expect(readTarget(url)).toBe("bad_host");
  },
);

test("what is read is what the standard reads, for every URL with a host", () => {
  fc.assert(
    fc.property(
      fc.webUrl({ withQueryParameters: true, withFragments: true, validSchemes: ["http", "https"] }),
      (text) => {
        const url = new URL(text);
        const target = readTarget(url.href);
        expect(target).not.toBe("bad_host");
        if (target === "bad_host") return;
        expect(target.path).toBe(url.pathname);
        expect(url.search === "" ? ["", "?"] : [url.search]).toContain(target.query);
      },
    ),
  );
});

test("the host has no say in what is read", () => {
  const hosts = fc.constantFrom("a", "ab", "abc", "abcd", "a:1", "[::1]:80", "manage", "x.manage", "a%2fb");
  const paths = fc.webPath().map((path) => (path.startsWith("/") ? path : `/${path}`));
  fc.assert(
    fc.property(hosts, paths, (host, path) => {
      expect(readTarget(`http://${host}${path}`)).toEqual(readTarget(`http://localhost${path}`));
    }),
  );
});

describe("reserved paths go by whole segments", () => {
  test.each([
    "/manage",
    "/manage/",
    "/manage/projects",
    "/admin",
    "/admin/x",
    "/health",
    "/ready",
    "/live",
    "/metrics",
    "/metrics/prometheus",
    "/docs",
    "/docs/json",
  ])("%s is reserved", (path) => {
    expect(isReserved(path, { metricsPath })).toBe(true);
  });
  test.each([
    "/",
    "/v1/manage",
    "/managers",
    "/manage-x",
    "/manage%2fprojects",
    "/Manage",
    "//manage",
    "/v1/manage/projects",
    "/healthy",
    "/metricsx",
    "/docs.json",
    "/%6danage",
  ])("%s is the data plane's", (path) => {
    expect(isReserved(path, { metricsPath })).toBe(false);
  });
  test("METRICS_PATH moves its own", () => {
    expect(isReserved("/metrics", { metricsPath: "/internal/metrics" })).toBe(false);
    expect(isReserved("/internal/metrics/prometheus", { metricsPath: "/internal/metrics" })).toBe(true);
    expect(isReserved("/internal", { metricsPath: "/internal/metrics" })).toBe(false);
  });
});

test("a Host line must be there once", () => {
  expect(["a", "a:1", "[::1]"].map(isOneHost)).toEqual([true, true, true]);
  expect([null, "", "a, b", "a, a"].map(isOneHost)).toEqual([false, false, false, false]);
});

test("one slash at the end is dropped, but for the root", () => {
  expect(["/", "/a/", "/a//", "/a"].map(withoutSlash)).toEqual(["/", "/a", "/a/", "/a"]);
  expect(isUnder("/a/b", "/a")).toBe(true);
});
