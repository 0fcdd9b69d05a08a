import { describe, expect, test } from "bun:test";
import { checkHeaderName, checkMethod, checkOrigin } from "./http-words.ts";
import {
  checkDatabaseUrl,
  checkKey32,
  checkNetwork,
  choice,
  databaseDriver,
  databaseUrlPath,
  durationIn,
  httpUrl,
  list,
  path,
  pathOrOff,
  secret,
  urlPath,
} from "./kinds.ts";
import { checkEndpoint, checkGlob } from "./policy-words.ts";

const key32 = Buffer.alloc(32, 7).toString("base64");

describe("words that may be used", () => {
  const checks: [string, (text: string) => { ok: boolean }, readonly string[], readonly string[]][] = [
    ["method", checkMethod, ["GET", "post", "OPTIONS"], ["GETS", "", "CONNECT", "TRACE", "GET POST"]],
    ["header name", checkHeaderName, ["x-a", "X_B", "origin"], ["", "a b", "a:", "ä", "a\n"]],
    [
      "origin",
      checkOrigin,
      [
        "*",
        "https://app.example",
        "http://localhost:3000",
        "chrome-extension://abc",
        "https://app.example:8443",
      ],
      [
        "https://app.example/",
        "app.example",
        "null",
        "https://APP.example",
        "https://a.example:443",
        "https://u@a",
        "",
      ],
    ],
    [
      "network",
      checkNetwork,
      ["10.0.0.0/8", "::1/128", "192.168.1.1", "fd00::1"],
      ["10/8", "10.0.0.0/08", "fe80::1%eth0", "10.0.0.0/8/8", "10.0.0.0/33", "x", ""],
    ],
    [
      "allow-list entry",
      checkEndpoint,
      [
        "/v1/models",
        "/*",
        "/v1/models$",
        "/v1/*/content",
        "/v1/models*",
        "/v1/files/",
        "/v1beta/models/*:generateContent",
      ],
      [
        "",
        "v1",
        "/",
        "/$",
        "/a?b",
        "/a#b",
        "/a b",
        "/a\\b",
        "/a$/b",
        "//a",
        "/a//b",
        "/a/../b",
        "/./a",
        "/ä",
      ],
    ],
    [
      "glob",
      checkGlob,
      ["gpt-4o", "gpt-*", "a?", "[abc]", "[!a-z]*", "[]]", "[a-]", "", "x[1-3][4-5]"],
      ["[", "[]", "a[b", "[!]", "[z-a]", "a\\*", "[^a]", "[a][", "\\"],
    ],
    [
      "key of 32 bytes",
      checkKey32,
      [key32, key32.slice(0, -1)],
      [key32.slice(0, 40), `${key32}=`, "", `${key32} `],
    ],
  ];
  test.each(checks)("%s", (_, check, right, wrong) => {
    expect(right.filter((text) => !check(text).ok)).toEqual([]);
    expect(wrong.filter((text) => check(text).ok)).toEqual([]);
  });
});

test("a single address is a network of one", () => {
  expect(checkNetwork("192.168.1.1")).toEqual({ ok: true, value: "192.168.1.1/32" });
  expect(checkNetwork("fd00::1")).toEqual({ ok: true, value: "fd00::1/128" });
});

describe("secrets", () => {
  test.each([
    "changeme",
    "ChangeMe",
    "secret",
    "<your-token>",
    "your-management-token",
    "with blank",
    "line\n",
    "ä",
  ])("CFG-101: %j is refused", (text) => {
    expect(secret().parse(text).ok).toBe(false);
  });

  test("a secret that is right is never seen again but by revealing it", () => {
    const parsed = secret().parse("4711-geheim");
    expect(parsed.ok && parsed.value.reveal()).toBe("4711-geheim");
    expect(parsed.ok && secret().format(parsed.value)).toBe("***");
  });
});

describe("database URLs", () => {
  test.each([
    ["sqlite:a.db", "a.db"],
    ["sqlite:/var/a.db", "/var/a.db"],
    ["sqlite:///var/a.db", "/var/a.db"],
    ["sqlite://data/a.db", "data/a.db"],
    ["file:a.db", "a.db"],
    ["file://localhost/var/a.db", "/var/a.db"],
    ["SQLITE:a.db", "a.db"],
  ])("%s is the file %s", (url, file) => {
    expect(checkDatabaseUrl(url).ok).toBe(true);
    expect(databaseUrlPath(url)).toBe(file);
  });

  test.each([
    "postgres://u:geheim@h/db",
    "mysql://u:geheim@h/db",
    "geheim",
    "sqlite:",
    "sqlite:a.db?mode=ro",
    "sqlite://",
  ])("%s is refused without a word of its password", (url) => {
    const result = checkDatabaseUrl(url);
    expect(result.ok).toBe(false);
    expect(JSON.stringify(result)).not.toContain("geheim");
  });

  test("drivers to come are told from drivers that do not exist", () => {
    expect(databaseDriver.parse("SQLite")).toEqual({ ok: true, value: "sqlite" });
    expect(databaseDriver.parse("postgres")).toMatchObject({
      error: "is not in this version yet: use sqlite",
    });
    expect(databaseDriver.parse("oracle")).toMatchObject({ error: "is not a database driver: use sqlite" });
  });
});

describe("other kinds", () => {
  test("a duration in a larger unit takes plain numbers, and only whole units", () => {
    const hours = durationIn({ name: "hours", ms: 3_600_000 }, { min: 1 });
    expect(hours.parse("24")).toEqual({ ok: true, value: 24 });
    expect(hours.parse("2h")).toEqual({ ok: true, value: 2 });
    expect(hours.format(48)).toBe("48h");
    for (const wrong of ["90m", "0", "-1", "1d", "024"]) expect(hours.parse(wrong).ok).toBe(false);
  });

  test("a choice ignores case and knows its synonyms", () => {
    const format = choice(["json", "console"], new Map([["text", "console"]]));
    expect(format.parse("JSON")).toEqual({ ok: true, value: "json" });
    expect(format.parse("Text")).toEqual({ ok: true, value: "console" });
    for (const wrong of ["xml", "constructor", "__proto__", ""]) expect(format.parse(wrong).ok).toBe(false);
  });

  test("a list drops blanks around its entries, and none is the empty one", () => {
    const origins = list("origins", checkOrigin);
    expect(origins.parse(" https://a.example , https://b.example,")).toEqual({
      ok: true,
      value: ["https://a.example", "https://b.example"],
    });
    expect(origins.parse("none")).toEqual({ ok: true, value: [] });
    expect(origins.format([])).toBe("none");
    expect(origins.parse("https://a.example,b").ok).toBe(false);
  });

  test("a path may be off only where that means something", () => {
    expect(pathOrOff.parse("OFF")).toEqual({ ok: true, value: undefined });
    expect(pathOrOff.format(undefined)).toBe("off");
    expect(path.parse("off")).toEqual({ ok: true, value: "off" });
    expect(path.parse("a\0b").ok).toBe(false);
  });

  test.each(["metrics", "/", "/a/", "/a//b", "/a b", "/../x", "/a?b"])("%j is no path of a page", (text) => {
    expect(urlPath.parse(text).ok).toBe(false);
  });

  test("an address of a server loses its last slash", () => {
    expect(httpUrl.parse("http://localhost:8080/")).toEqual({ ok: true, value: "http://localhost:8080" });
    expect(httpUrl.parse("https://host/llm/")).toEqual({ ok: true, value: "https://host/llm" });
    expect(httpUrl.parse("localhost:8080").ok).toBe(false);
  });
});
