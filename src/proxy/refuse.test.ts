import { describe, expect, test } from "bun:test";
import { dialectOf } from "../provider/dialects.ts";
import type { Arrival } from "./call.ts";
import { type RefusalCode, refusalResponse, wordings } from "./refuse.ts";

const arrival = { requestId: "r-1", correlationId: "c-1" } as Arrival;
const codes = Object.keys(wordings) as RefusalCode[];

describe("every code", () => {
  test.each(codes)("%s has a status of an error, and words without a full stop", (code) => {
    const { status, message, description } = wordings[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect(message).toMatch(/^[A-Z].*[^.]$/);
    expect(description).not.toEndWith(".");
    expect(description === "").toBe(code === "client_cancelled");
  });

  test("only what may do better later is told to be tried again", () => {
    const retryable = codes.filter((code) => wordings[code].isRetryable);
    expect(retryable.sort()).toEqual([
      "bad_gateway",
      "circuit_open",
      "overloaded",
      "request_timeout",
      "service_unavailable",
      "timeout",
    ]);
  });
});

test("what a refusal is about stands in its message", async () => {
  const messageOf = async (refusal: Parameters<typeof refusalResponse>[0]) =>
    ((await refusalResponse(refusal, arrival, dialectOf("none")).json()) as { error: string }).error;
  expect(await messageOf({ code: "provider_not_found", provider: "old" })).toEndWith(": old");
  expect(await messageOf({ code: "method_not_allowed", method: "PUT", allowed: ["GET"] })).toEndWith(": PUT");
  expect(await messageOf({ code: "header_required", header: "x-team" })).toEndWith(": x-team");
  expect(await messageOf({ code: "request_too_large", bytesMax: 5 })).toEndWith("(5 bytes)");
  expect(await messageOf({ code: "invalid_request_body", detail: "why" })).toEndWith(": why");
  expect(
    await messageOf({ code: "param_not_allowed", name: "m", value: 'a"b', allowed: ["x", "y*"] }),
  ).toEndWith(': m is "a\\"b", allowed are x, y*');
});

test("the ids of a refusal stand where an SDK of its dialect looks for them", () => {
  const headers = (dialect: "anthropic" | "openai") =>
    refusalResponse({ code: "invalid_token" }, arrival, dialectOf(dialect)).headers;
  expect(headers("anthropic").get("request-id")).toBe("r-1");
  expect(headers("openai").get("request-id")).toBeNull();
  for (const dialect of ["anthropic", "openai"] as const) {
    expect(headers(dialect).get("x-request-id")).toBe("r-1");
    expect(headers(dialect).get("x-correlation-id")).toBe("c-1");
  }
});
