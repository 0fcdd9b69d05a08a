import { describe, expect, test } from "bun:test";
import type { Provider, Providers } from "../provider/provider.ts";
import { formatProblem } from "./problem.ts";
import type { ProviderDefaults } from "./providers.ts";
import { parseProviders } from "./providers.ts";

const defaults: ProviderDefaults = {
  defaultName: undefined,
  requestTimeoutMs: 0,
  allowedOrigins: ["*"],
  metricsPath: "/metrics",
};

/** A file with one provider `lab` and these lines in its entry. */
function file(
  lines: readonly string[] = [],
  base = ["base_url: http://127.0.0.1:1", "allowed_methods: [GET, POST]", 'allowed_endpoints: ["/*"]'],
): string {
  return ["apis:", "  lab:", ...[...base, ...lines].map((line) => `    ${line}`)].join("\n");
}

function problems(text: string, more: Partial<ProviderDefaults> = {}): string[] {
  const result = parseProviders("p.yaml", text, { ...defaults, ...more });
  return result.ok ? [] : result.error.map(formatProblem);
}

function providers(text: string, more: Partial<ProviderDefaults> = {}): Providers {
  const result = parseProviders("p.yaml", text, { ...defaults, ...more });
  if (!result.ok) throw new Error(result.error.map(formatProblem).join("\n"));
  return result.value;
}

function lab(lines: readonly string[], more: Partial<ProviderDefaults> = {}): Provider {
  return providers(file(lines), more).byName.get("lab") as Provider;
}

describe("a provider file", () => {
  test("the one of the contract gives what it says", () => {
    const text = `default_api: openai
apis:
  openai:
    base_url: https://api.openai.com
    allowed_endpoints: [/v1/chat/completions, /v1/models]
    allowed_methods: [get, POST]
    timeouts: {request: 120s, response_header: 30s, idle_connection: 90s, flush_interval: 10ms, stream_idle: 1m}
    connection: {max_idle_conns: 100, max_idle_conns_per_host: 20}
    param_whitelist: {model: [gpt-4o, gpt-4o-*]}
    allowed_origins: [https://app.example.com]
    required_headers: [Origin]
    static_headers: {OpenAI-Organization: org-1}
    retries: {max: 3, on_status: [429, 503], max_delay: 20s}
`;
    const { byName, defaultName } = providers(text);
    expect(defaultName).toBe("openai");
    expect(byName.get("openai")).toEqual({
      name: "openai",
      origin: "https://api.openai.com",
      basePath: "",
      reach: "public",
      dialect: "openai",
      auth: { scheme: "bearer" },
      staticHeaders: [["openai-organization", "org-1"]],
      allowedEndpoints: ["/v1/chat/completions", "/v1/models"],
      allowedMethods: ["GET", "POST", "HEAD"],
      timeouts: { requestMs: 120_000, responseHeaderMs: 30_000, streamIdleMs: 60_000, totalMs: 0 },
      retry: { max: 3, onStatus: [429, 503], delayMsMax: 20_000 },
      fallback: [],
      paramWhitelist: new Map([["model", ["gpt-4o", "gpt-4o-*"]]]),
      allowedOrigins: ["https://app.example.com"],
      requiredHeaders: ["origin"],
    });
  });

  test("settings stand in where it says nothing, and not where it says none", () => {
    const more = { requestTimeoutMs: 7000, allowedOrigins: ["https://a.example"] };
    expect(lab([], more)).toMatchObject({
      timeouts: { requestMs: 7000 },
      allowedOrigins: ["https://a.example"],
    });
    const said = lab(["timeouts: {request: 0}", "allowed_origins: ['*']"], more);
    expect(said).toMatchObject({ timeouts: { requestMs: 0 }, allowedOrigins: [] });
    expect(lab([]).allowedOrigins).toEqual([]);
  });

  test("the path of base_url is kept, without a slash at its end", () => {
    const base = [
      "base_url: https://h.example:8443/openai/v1/",
      "allowed_methods: [HEAD]",
      "allowed_endpoints: [/v1]",
    ];
    expect(providers(file([], base)).byName.get("lab")).toMatchObject({
      origin: "https://h.example:8443",
      basePath: "/openai/v1",
      allowedMethods: ["HEAD"],
    });
  });

  test("a byte order mark, CRLF and anchors are fine", () => {
    expect(problems(`\ufeff${file().replaceAll("\n", "\r\n")}`)).toEqual([]);
    expect(lab(["timeouts: &t {stream_idle: 1s}"]).timeouts.streamIdleMs).toBe(1000);
  });
});

describe("auth", () => {
  test.each([
    ["bearer", { scheme: "bearer" }],
    ["none", { scheme: "none" }],
    ["x-api-key", { scheme: "header", name: "x-api-key", prefix: "" }],
    ["api-key", { scheme: "header", name: "api-key", prefix: "" }],
    ["x-goog-api-key", { scheme: "header", name: "x-goog-api-key", prefix: "" }],
    ["header:X-Key", { scheme: "header", name: "x-key", prefix: "" }],
    ["query:key", { scheme: "query", name: "key" }],
    ["{scheme: bearer}", { scheme: "bearer" }],
    ["{scheme: none}", { scheme: "none" }],
    [
      "{scheme: header, name: Authorization, prefix: 'Token '}",
      { scheme: "header", name: "authorization", prefix: "Token " },
    ],
    ["{scheme: query, name: api_key}", { scheme: "query", name: "api_key" }],
  ])("%s", (text, auth) => {
    expect(lab([`auth: ${text}`]).auth).toEqual(auth as Provider["auth"]);
  });

  test.each([
    ["openai", { scheme: "bearer" }],
    ["none", { scheme: "bearer" }],
    ["anthropic", { scheme: "header", name: "x-api-key", prefix: "" }],
    ["gemini", { scheme: "header", name: "x-goog-api-key", prefix: "" }],
  ])("without one, dialect %s has its own", (dialect, auth) => {
    expect(lab([`dialect: ${dialect}`])).toMatchObject({ dialect, auth });
  });

  test.each([
    ["beaer", "apis.lab.auth is not a way to authenticate (did you mean bearer?)"],
    ["'header:'", "apis.lab.auth is not a way to authenticate"],
    ["'header:a b'", "apis.lab.auth.name must be a header name"],
    ["'header:Content-Length'", "apis.lab.auth.name is set for each request by the proxy itself"],
    ["'query:a&b'", "apis.lab.auth.name must be a plain parameter name"],
    ["[bearer]", "apis.lab.auth must be a map of known keys"],
    ["{scheme: basic}", "apis.lab.auth.scheme must be bearer, none, header, query"],
    ["{name: x}", "apis.lab.auth.scheme is missing"],
    ["{scheme: header}", "apis.lab.auth.name must be a header name"],
    ["{scheme: bearer, name: x}", "apis.lab.auth.name has no meaning with scheme bearer: remove it"],
    [
      "{scheme: query, name: k, prefix: p}",
      "apis.lab.auth.prefix has no meaning with scheme query: remove it",
    ],
    ["{scheme: header, name: k, prefix: 'ä'}", "apis.lab.auth.prefix must be printable ASCII"],
    ["{scheme: header, nam: k}", "apis.lab.auth.nam is not a known key (did you mean name?)"],
  ])("%s is refused", (text, start) => {
    expect(problems(file([`auth: ${text}`]))[0]).toStartWith(`p.yaml:6: ${start}`);
  });
});

describe("CFG-104: what is wrong has line, field and suggestion", () => {
  test.each([
    ["alowed_methods: [GET]", "apis.lab.alowed_methods is not a known key (did you mean allowed_methods?)"],
    ["timeouts: {reqest: 1s}", "apis.lab.timeouts.reqest is not a known key (did you mean request?)"],
    ["connection: {max_idle: 1}", "apis.lab.connection.max_idle is not a known key"],
    ["private: maybe", 'apis.lab.private "maybe" is neither true nor false'],
    ["timeouts: {total: soon}", 'apis.lab.timeouts.total "soon" is not a duration'],
    ["timeouts: {request: 30}", 'apis.lab.timeouts.request "30" is not a duration'],
    ["timeouts: {flush_interval: fast}", 'apis.lab.timeouts.flush_interval "fast" is not a duration'],
    ["timeouts: {idle_connection: -1s}", 'apis.lab.timeouts.idle_connection "-1s" is not a duration'],
    ["timeouts: 30s", "apis.lab.timeouts must be a map of known keys"],
    ["connection: {max_idle_conns: many}", 'apis.lab.connection.max_idle_conns "many" is not a whole number'],
    ["dialect: openapi", 'apis.lab.dialect "openapi" is not one of openai, anthropic, gemini, none'],
    ["dialect: [openai]", "apis.lab.dialect must be openai, anthropic, gemini or none"],
    [
      "param_whitelist: {model: ['gpt-[']}",
      'apis.lab.param_whitelist.model[0] "gpt-[" holds a [ without its ]',
    ],
    ["param_whitelist: {model: []}", "apis.lab.param_whitelist.model must be a list of one pattern or more"],
    ["param_whitelist: {model: gpt}", "apis.lab.param_whitelist.model must be a list of one pattern or more"],
    [
      "allowed_origins: [https://a.example/]",
      'apis.lab.allowed_origins[0] "https://a.example/" is not an origin',
    ],
    ["required_headers: ['a b']", 'apis.lab.required_headers[0] "a b" is not a header name'],
    ["static_headers: {'a b': x}", "apis.lab.static_headers.a b is not a header name"],
    [
      "static_headers: {Host: x}",
      "apis.lab.static_headers.Host is set for each request by the proxy itself: remove it",
    ],
    ["static_headers: {Authorization: x}", "apis.lab.static_headers.Authorization carries the provider key"],
    ["static_headers: [x]", "apis.lab.static_headers must be a map of header to value"],
  ])("%s", (line, start) => {
    const found = problems(file([line]));
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith(`p.yaml:6: ${start}`);
  });

  test("everything at once, in one go", () => {
    const text = `default_api: lub
apis:
  lab:
    base_url: ftp://x
    allowed_methods: [GETS]
    allowed_endpoints:
      - /v1
      - v2
  Other: {}
extra: 1
`;
    expect(problems(text).map((line) => line.replace(/: (write|it must).*/, ""))).toEqual([
      "p.yaml:10: extra is not a known key",
      "p.yaml:4: apis.lab.base_url is not an http or https address",
      'p.yaml:8: apis.lab.allowed_endpoints[1] "v2" does not start with a slash',
      'p.yaml:5: apis.lab.allowed_methods[0] "GETS" is not a method',
      "p.yaml:9: apis.Other is not a name for a provider",
      "p.yaml:9: apis.Other.base_url is missing",
      "p.yaml:9: apis.Other.allowed_endpoints is missing",
      "p.yaml:9: apis.Other.allowed_methods is missing",
      'p.yaml:1: default_api names no provider: "lub" (did you mean lab?)',
    ]);
  });

  test.each([
    ["", "apis is missing: it must be a map of one provider or more"],
    ["apis:\n", "apis must be a map of one provider or more"],
    ["apis: {}\n", "apis must be a map of one provider or more"],
    ["- a\n", "must be a map of known keys"],
    ["apis:\n  a: b\n", "apis.a must be a map of known keys"],
  ])("%j has no providers", (text, message) => {
    expect(problems(text)).toEqual([expect.stringContaining(message)]);
  });

  test("the value of a static header is never repeated", () => {
    const found = problems(file(["static_headers: {x-a: 'geheim\\u0007ä', authorization: geheim}"]));
    expect(found).toHaveLength(2);
    expect(found.join()).not.toContain("geheim");
  });

  test("SEC-103: the password in a base_url is never repeated", () => {
    const base = ["base_url: http://user:geheim@h", "allowed_methods: [GET]", "allowed_endpoints: ['/*']"];
    expect(problems(file([], base))).toEqual([
      expect.stringContaining("p.yaml:3: apis.lab.base_url holds user-info"),
    ]);
    expect(problems(file([], base)).join()).not.toContain("geheim");
  });

  test("SEC-103: a base_url that leads to cloud metadata is refused", () => {
    const base = ["base_url: http://0xa9fea9fe/", "allowed_methods: [GET]", "allowed_endpoints: ['/*']"];
    expect(problems(file([], base))).toEqual([expect.stringContaining("cloud's metadata service")]);
  });
});

describe("names", () => {
  const named = (name: string): string => file().replace("lab", name);
  test.each(["v1", "v1beta", "manage", "admin", "health", "ready", "live", "metrics", "docs"])(
    "%s is reserved",
    (name) => {
      expect(problems(named(name))).toEqual([
        expect.stringContaining("paths that begin with it have another meaning"),
      ]);
    },
  );

  test("the first segment of METRICS_PATH is reserved as well", () => {
    expect(problems(named("stats"), { metricsPath: "/stats/x" })).toHaveLength(1);
    expect(problems(named("stats"))).toEqual([]);
  });

  test.each(["Lab", "-lab", "lab!", "'la b'", "'a/b'", "ä", "''", "__proto__"])("%s is no name", (name) => {
    expect(problems(named(name)).join()).toContain("is not a name for a provider");
  });

  test.each(["azure-openai", "a.b_c", "0"])("%s is a name", (name) => {
    expect(problems(named(name))).toEqual([]);
  });
});

describe("the default provider", () => {
  const two = `${file()}\n  two:\n    base_url: http://127.0.0.1:2\n    allowed_methods: [GET]\n    allowed_endpoints: ['/*']\n`;
  test("is DEFAULT_API_PROVIDER, then default_api, then the only one", () => {
    expect(providers(`default_api: lab\n${two}`, { defaultName: "two" }).defaultName).toBe("two");
    expect(providers(`default_api: two\n${two}`).defaultName).toBe("two");
    expect(providers(file()).defaultName).toBe("lab");
  });

  test("must be named where there are several", () => {
    expect(problems(two)).toEqual([
      "p.yaml:1: no default provider: set default_api or DEFAULT_API_PROVIDER to one of its names",
    ]);
  });

  test("must exist, whoever named it", () => {
    expect(problems(`default_api: three\n${two}`)).toEqual([
      'p.yaml:1: default_api names no provider: "three" (there are lab, two)',
    ]);
    expect(problems(two, { defaultName: "three" })).toEqual([
      'p.yaml:1: no provider is called "three", as DEFAULT_API_PROVIDER says (there are lab, two)',
    ]);
  });
});

test("retries that cannot be are told with their place", () => {
  const said = problems(file(["retries: {max: 11, on_status: [429, 404], max_delay: soon}"])).join();
  for (const part of ["retries.max", "404", "retries.max_delay"]) expect(said).toContain(part);
  expect(problems(file(["retries: {often: 1}"])).join()).toContain("retries.often");
  expect(lab([]).retry).toEqual({ max: 2, onStatus: [], delayMsMax: 10_000 });
});
