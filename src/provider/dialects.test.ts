import { describe, expect, test } from "bun:test";
import type { ErrorFacts } from "./dialect.ts";
import { dialectOf, guessDialect } from "./dialects.ts";
import type { DialectName } from "./provider.ts";

const facts: ErrorFacts = {
  status: 429,
  code: "some_code",
  message: "Too much",
  description: "Wait",
  requestId: "r-1",
};

describe("error bodies", () => {
  test("openai", () => {
    expect(dialectOf("openai").errorBody(facts)).toEqual({
      error: { message: "Too much. Wait", type: "rate_limit_error", param: null, code: "some_code" },
    });
  });

  test("anthropic", () => {
    expect(dialectOf("anthropic").errorBody(facts)).toEqual({
      type: "error",
      error: { type: "rate_limit_error", message: "Too much. Wait", code: "some_code" },
      request_id: "r-1",
    });
  });

  test("gemini", () => {
    expect(dialectOf("gemini").errorBody(facts)).toEqual({
      error: {
        code: 429,
        message: "Too much. Wait",
        status: "RESOURCE_EXHAUSTED",
        details: [
          { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "some_code", domain: "llm-proxy" },
        ],
      },
    });
  });

  test("none: the envelope of the management API", () => {
    expect(dialectOf("none").errorBody(facts)).toEqual({
      error: "Too much",
      code: "some_code",
      description: "Wait",
    });
  });

  test("without advice there is no full stop to nowhere", () => {
    expect(JSON.stringify(dialectOf("openai").errorBody({ ...facts, description: "" }))).toContain(
      '"Too much"',
    );
  });

  test.each([400, 401, 403, 404, 405, 413, 415, 429, 499, 500, 502, 503, 504])(
    "%d has a type in every family",
    (status) => {
      const bodies = (["openai", "anthropic", "gemini"] as const).map((name) =>
        JSON.stringify(dialectOf(name).errorBody({ ...facts, status })),
      );
      expect(bodies[0]).toMatch(/"type":"[a-z_]+_error"/);
      expect(bodies[1]).toMatch(/"type":"([a-z_]+_error|request_too_large)"/);
      expect(bodies[2]).toMatch(/"status":"[A-Z_]+"/);
    },
  );
});

describe("error events are one whole event each", () => {
  const events: [DialectName, string, string | undefined][] = [
    ["openai", "/v1/chat/completions", undefined],
    ["openai", "/v1/responses", "error"],
    ["openai", "/openai/v1/responses", "error"],
    ["openai", "/v1/responsesX", undefined],
    ["anthropic", "/v1/messages", "error"],
    ["gemini", "/v1beta/models/g:streamGenerateContent", undefined],
  ];
  test.each(events)("%s on %s", (dialect, path, name) => {
    const event = dialectOf(dialect).errorEvent({ ...facts, message: "two\nlines" }, path) ?? "";
    expect(event.endsWith("\n\n")).toBe(true);
    expect(event.slice(0, -2)).not.toContain("\n\n");
    const lines = event.trimEnd().split("\n");
    expect(lines.slice(0, -1)).toEqual(name === undefined ? [] : [`event: ${name}`]);
    expect(JSON.parse(lines.at(-1)?.replace(/^data: /, "") ?? "")).toBeObject();
  });

  test("a provider without a family gets none", () => {
    expect(dialectOf("none").errorEvent(facts, "/v1/x")).toBeUndefined();
  });
});

describe("whose SDK is asking", () => {
  const asked: [string, Record<string, string>, DialectName][] = [
    ["/v1/chat/completions", {}, "openai"],
    ["/v1/messages", {}, "anthropic"],
    ["/v1/messages/batches", {}, "anthropic"],
    ["/v1/messagesX", {}, "openai"],
    ["/v2/v1/messages", {}, "openai"],
    ["/anything", { "Anthropic-Version": "2023-06-01" }, "anthropic"],
    ["/anything", { "x-goog-api-key": "x" }, "gemini"],
    ["/v1beta/models", {}, "gemini"],
    ["/v1beta", {}, "openai"],
  ];
  test.each(asked)("%s with %j: %s", (path, headers, name) => {
    expect(guessDialect(path, new Headers(headers)).name).toBe(name);
  });
});
