import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Headers, headerValue, headerValues } from "../harness/http-message.ts";
import { reply, replyJson } from "../harness/upstream-steps.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab({
    providers: `  decorated:
    base_url: $UPSTREAM
    allowed_methods: [GET]
    allowed_endpoints: ["/*"]
    static_headers: {anthropic-version: "2023-06-01", X-Team: fixed}
`,
  });
});
afterAll(() => lab[Symbol.asyncDispose]());

/** Names at the provider, lower case, sorted. */
const namesAtProvider = () =>
  lab.upstream.requests
    .at(-1)!
    .headers.map(([name]) => name.toLowerCase())
    .sort();
const atProvider = (name: string) => headerValues(lab.upstream.requests.at(-1)!.headers, name);

describe("towards the provider", () => {
  test("a bare request gains only what is documented (HTP-114, ENC-102)", async () => {
    await lab.call("/v1/models");
    expect(namesAtProvider()).toEqual([
      "accept",
      "authorization",
      "connection",
      "host",
      "user-agent",
      "x-proxy",
      "x-proxy-version",
      "x-request-id",
    ]);
    expect(atProvider("host")).toEqual([`127.0.0.1:${lab.upstream.port}`]);
    expect(atProvider("x-proxy")).toEqual(["llm-proxy"]);
  });

  test("vendor headers pass as they are (HTP-114)", async () => {
    const vendor: Headers = [
      ["User-Agent", "my-sdk/1"],
      ["Accept", "text/event-stream"],
      ["Accept-Language", "en"],
      ["anthropic-beta", "a-2025-01-01,b-2025-01-01"],
      ["anthropic-version", "2023-06-01"],
      ["OpenAI-Organization", "org-1"],
      ["OpenAI-Project", "proj_1"],
      ["Idempotency-Key", "k-1"],
      ...[
        "arch",
        "lang",
        "os",
        "package-version",
        "runtime",
        "runtime-version",
        "retry-count",
        "timeout",
      ].map((name) => [`X-Stainless-${name}`, "0"] as const),
      ["x-goog-api-client", "genai-js/1"],
      ["x-goog-user-project", "p-1"],
      ["OpenAI-Beta", "assistants=v2"],
      ["HTTP-Referer", "https://app.example"],
      ["X-Title", "app"],
      ["traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
      ["Cache-Control", "no-cache"],
      ["Range", "bytes=0-1"],
      ["Via", "1.1 office"],
      ["X-Odd", `!#$%&'*+.^_|~ "quoted" (comment); a=b`],
    ];
    await lab.call("/v1/models", { headers: vendor });
    for (const [name, value] of vendor) expect(atProvider(name)).toEqual([value]);
  });

  test.each(["identity", "br;q=1.0, gzip;q=0.2, *;q=0", "gzip", ""])(
    "Accept-Encoding: %p passes as it is (ENC-102)",
    async (value) => {
      await lab.call("/v1/models", { headers: [["Accept-Encoding", value]] });
      expect(atProvider("accept-encoding")).toEqual([value]);
    },
  );

  test("what is between two machines only, and what tells of the caller, stops here (HTP-108, HTP-115)", async () => {
    const stopped: Headers = [
      ["Connection", "close, X-Named , , bad name"],
      ["X-Named", "1"],
      ["Keep-Alive", "timeout=5"],
      ["TE", "trailers"],
      ["Trailer", "X-T"],
      ["Proxy-Connection", "x"],
      ["Proxy-Authorization", "Basic eDp5"],
      ["Proxy-Authenticate", "Basic"],
      ["Cookie", "session=secret"],
      ["Origin", "https://page.example"],
      ["Referer", "https://page.example/x"],
      ["Sec-Fetch-Mode", "cors"],
      ["Sec-CH-UA", "x"],
      ["Forwarded", "for=10.1.2.3"],
      ["X-Forwarded-For", "10.1.2.3"],
      ["X-Forwarded-Host", "evil.example"],
      ["X-Forwarded-Anything", "x"],
      ["X-Real-IP", "10.1.2.3"],
      ["X-Client-IP", "10.1.2.3"],
      ["X-Original-Forwarded-For", "10.1.2.3"],
      ["CF-Connecting-IP", "10.1.2.3"],
      ["CF-IPCountry", "DE"],
      ["True-Client-IP", "10.1.2.3"],
      ["X-Upstream-Request-Start", "1"],
      ["X-Request-Start", "1"],
      ["X-Body-Hash", "x"],
      ["X-LLM-Proxy-Cache", "no-store"],
    ];
    await lab.call("/v1/models", { headers: stopped });
    const names = namesAtProvider();
    expect(
      names.filter((name) => name !== "connection" && stopped.some(([stop]) => stop.toLowerCase() === name)),
    ).toEqual([]);
    expect(atProvider("connection")).toEqual(["keep-alive"]);
    expect(lab.upstream.requests.at(-1)!.headBytes.toString("latin1")).not.toContain("10.1.2.3");
  });

  test("a client cannot have our own fields dropped by naming them in Connection", async () => {
    await lab.call("/v1/models", {
      headers: [["Connection", "authorization, x-proxy, x-request-id, host, content-length"]],
      body: "{}",
    });
    expect(atProvider("authorization")).toEqual([`Bearer ${lab.app.providerKey}`]);
    expect(atProvider("x-proxy")).toEqual(["llm-proxy"]);
    expect(atProvider("content-length")).toEqual(["2"]);
  });

  test("the provider's connections are used again whatever the clients' say (HTP-108)", async () => {
    await lab.call("/v1/models");
    const before = lab.upstream.connections.length;
    for (let round = 0; round < 20; round++)
      await lab.call("/v1/models", { headers: [["Connection", "close"]] });
    expect(lab.upstream.connections).toHaveLength(before);
  });

  test("static headers of the provider win over the caller's", async () => {
    const project = await lab.app.newProject({ provider: "decorated" });
    const { token } = await lab.app.newToken(project.id);
    await lab.call("/v1/models", { token, headers: [["x-team", "mine"]] });
    expect(atProvider("anthropic-version")).toEqual(["2023-06-01"]);
    expect(atProvider("x-team")).toEqual(["fixed"]);
  });

  const accepts: [string, Headers, string][] = [
    ["/v1/x?stream=true", [], "text/event-stream"],
    ["/v1/x?a=1&stream=true&b", [], "text/event-stream"],
    ["/v1/x?stream=true", [["Accept", "application/json"]], "application/json"],
    ["/v1/x?stream=trueish", [], "*/*"],
    ["/v1/x?upstream=true", [], "*/*"],
  ];
  test.each(accepts)("%s with %j: Accept is %s", async (target, headers, accept) => {
    await lab.call(target, { headers });
    expect(atProvider("accept")).toEqual([accept]);
  });

  test("repeated fields arrive as one list, in their order", async () => {
    await lab.call("/v1/models", {
      headers: [
        ["X-Dup", "a"],
        ["X-Other", "o"],
        ["x-dup", "b"],
      ],
    });
    expect(atProvider("x-dup")).toEqual(["a, b"]);
  });

  const ids: [string, string, boolean][] = [
    ["a sane id", "req-1.2:3_A", true],
    ["128 characters", "a".repeat(128), true],
    ["129 characters", "a".repeat(129), false],
    ["7 KB (SEC-107)", "a".repeat(7_000), false],
    ["a blank in it", "a b", false],
    ["a byte beyond ASCII", "a\xe9b", false],
    ["a quote", 'a"b', false],
    ["none", "", false],
  ];
  test.each(ids)(
    "X-Request-ID with %s is taken over or replaced, everywhere alike",
    async (...[_, id, isTaken]) => {
      lab.upstream.answerNext(replyJson({}));
      const headers: Headers =
        id === ""
          ? []
          : [
              ["X-Request-ID", id],
              ["X-Correlation-ID", id],
            ];
      const answer = await lab.call("/v1/models", { headers });
      const given = headerValue(answer.headers, "x-llm-proxy-request-id") ?? "";
      const correlation = headerValue(answer.headers, "x-correlation-id") ?? "";
      expect(given === id).toBe(isTaken);
      expect(correlation === id).toBe(isTaken);
      if (!isTaken) expect(given).toMatch(/^[0-9a-f-]{36}$/);
      expect(atProvider("x-request-id")).toEqual([given]);
      const refused = await lab.call("/v1/models", { token: "", headers });
      expect(headerValue(refused.headers, "x-request-id") === id).toBe(isTaken);
    },
  );
});

describe("towards the client", () => {
  const buffering: [string, Headers, string | undefined][] = [
    ["a stream", [["Content-Type", "text/event-stream"]], "no"],
    [
      "a stream whose provider says yes",
      [
        ["Content-Type", "text/event-stream"],
        ["X-Accel-Buffering", "yes"],
        ["Cache-Control", "no-transform"],
      ],
      "yes",
    ],
    ["no stream", [["Content-Type", "application/json"]], undefined],
  ];
  test.each(buffering)("X-Accel-Buffering of %s (STR-108)", async (_, headers, expected) => {
    lab.upstream.answerNext(reply(200, headers, "data: 1\n\n"));
    const answer = await lab.call("/v1/chat/completions", { body: "{}" });
    expect(headerValue(answer.headers, "x-accel-buffering")).toBe(expected as string);
    for (const [name, value] of headers) expect(headerValue(answer.headers, name)).toBe(value);
  });

  test("the provider's fields pass, its own request id included; ours stand beside it", async () => {
    const theirs: Headers = [
      ["x-request-id", "req_theirs"],
      ["openai-organization", "org-1"],
      ["openai-processing-ms", "12"],
      ["x-ratelimit-remaining-requests", "99"],
      ["request-id", "req_anthropic"],
      ["Vary", "Accept"],
      ["ETag", '"x"'],
    ];
    lab.upstream.answerNext(replyJson({}, 200, theirs));
    const answer = await lab.call("/v1/models");
    for (const [name, value] of theirs) expect(headerValue(answer.headers, name)).toBe(value);
    expect(headerValue(answer.headers, "x-proxy")).toBe("llm-proxy");
    expect(headerValue(answer.headers, "x-llm-proxy-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(headerValues(answer.headers, "x-llm-proxy-remaining-requests")).toEqual([]);
    expect(headerValues(answer.headers, "access-control-allow-origin")).toEqual([]);
  });

  test("cookies and what is between two machines only stop here (HTP-108)", async () => {
    const stopped: Headers = [
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
      ["Connection", "close, X-Bar"],
      ["X-Bar", "1"],
      ["Keep-Alive", "timeout=1"],
      ["Proxy-Authenticate", "Basic"],
      ["Upgrade", "h2c"],
      ["Trailer", "X-T"],
    ];
    lab.upstream.answerNext(replyJson({}, 200, stopped));
    const { headers } = await lab.call("/v1/models");
    const names = headers.map(([name]) => name.toLowerCase());
    expect(names.filter((name) => stopped.some(([stop]) => stop.toLowerCase() === name))).toEqual([]);
  });

  test("a provider cannot pass its answer off as ours", async () => {
    const forged: Headers = [
      ["X-LLM-Proxy-Error", "token_expired"],
      ["x-llm-proxy-limit", "token:rpm"],
      ["x-llm-proxy-request-id", "theirs"],
      ["x-correlation-id", "theirs"],
      ["x-proxy", "theirs"],
    ];
    lab.upstream.answerNext(replyJson({}, 401, forged));
    const { status, headers } = await lab.call("/v1/models");
    expect(status).toBe(401);
    expect(headers.map(([, value]) => value)).not.toContain("theirs");
    for (const name of ["x-llm-proxy-error", "x-llm-proxy-limit"])
      expect(headerValues(headers, name)).toEqual([]);
  });

  const many = (count: number, name: string): Headers =>
    Array.from({ length: count }, (_, n) => [`${name}-${n}`, String(n).padEnd(240, "v")]);
  const large: [string, Headers][] = [
    ["30 KiB in 120 lines", many(120, "x-many")],
    ["one field of 15 KiB", [["anthropic-beta", "b".repeat(15 << 10)]]],
    ["one field of 60 KiB", [["X-Long", "v".repeat(60 << 10)]]],
  ];
  test.each(large)("%s pass to the provider unchanged (HTP-112)", async (_, headers) => {
    expect((await lab.call("/v1/models", { headers })).status).toBe(200);
    for (const [name, value] of headers) expect(atProvider(name)).toEqual([value]);
  });

  test("30 KiB in 120 lines, and a line of 60 KiB, pass to the client unchanged (HTP-112)", async () => {
    const headers: Headers = [
      ...many(60, "x-ratelimit-limit"),
      ...many(60, "x-other"),
      ["X-Long", "v".repeat(60 << 10)],
    ];
    lab.upstream.answerNext(replyJson({}, 200, headers));
    const answer = await lab.call("/v1/models");
    expect(answer.status).toBe(200);
    for (const [name, value] of headers) expect(headerValue(answer.headers, name)).toBe(value);
  });

  const timing = [
    "x-proxy-received-at",
    "x-proxy-sent-backend-at",
    "x-proxy-first-response-at",
    "x-upstream-request-start",
    "x-upstream-request-stop",
  ];

  test("timing headers are there, in order, unless TIMING_HEADERS=false", async () => {
    const { headers } = await lab.call("/v1/models");
    const [received, sent, first] = timing.slice(0, 3).map((name) => headerValue(headers, name) ?? "");
    for (const time of [received, sent, first])
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect([received, sent, first]).toEqual([received, sent, first].toSorted());
    const [start, stop] = timing.slice(3).map((name) => BigInt(headerValue(headers, name) ?? ""));
    expect(start).toBeLessThanOrEqual(stop ?? 0n);
    expect(Number(start) / 1e6).toBeCloseTo(Date.parse(sent ?? ""), 0);

    await using quiet = await openLab({ env: { TIMING_HEADERS: "false" } });
    const answer = await quiet.call("/v1/models");
    expect(answer.status).toBe(200);
    for (const name of timing) expect(headerValues(answer.headers, name)).toEqual([]);
  });
});
