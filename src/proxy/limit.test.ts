import { describe, expect, test } from "bun:test";
import { aProject, aToken } from "../../test/harness/rows.ts";
import { createGate } from "../limit/gate.ts";
import type { Admission } from "../limit/ledger.ts";
import { type Limits, noLimits } from "../limit/limits.ts";
import { ok } from "../result.ts";
import type { Price } from "../usage/price.ts";
import { mustReadBody } from "./bounds.ts";
import type { Body, Call, Permit } from "./call.ts";
import { createEnterLimits, createLimit } from "./limit.ts";

const clock = { now: () => 1000, monotonic: () => 0 };
const rates = { input: 1_000_000_000n, output: 2_000_000_000n };
const price: Price = {
  longAboveTokens: undefined,
  bands: { standard: { short: rates, long: rates } },
  inputTokensMax: 200_000,
  outputTokensMax: 16_000,
};

interface SetUp {
  readonly limits?: Partial<Limits>;
  readonly body?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly admit?: (admission: Admission) => never;
  readonly isAllowed?: boolean;
}

async function limited({ limits = {}, body = "{}", path = "/v1/chat/completions", ...rest }: SetUp) {
  const { method = "POST", headers = {}, admit, isAllowed = false } = rest;
  const admitted: Admission[] = [];
  const unrecorded: unknown[] = [];
  const permit = {
    grant: { token: aToken("t", { limits: { ...noLimits, ...limits } }), project: aProject("p") },
    provider: { name: "openai", dialect: "openai", basePath: "" },
    path,
  } as unknown as Permit;
  const request = new Request("http://x/", { method, headers });
  const call = { request, query: "", requestId: "r", atMs: 1000 } as unknown as Call;
  const held: Body = { kind: "held", bytes: new TextEncoder().encode(body) };
  const place = createEnterLimits({ gate: createGate(), clock })(permit);
  if (!place.ok) throw new Error(place.error.code);
  const limit = createLimit({
    clock,
    newId: () => "entry",
    pricing: { priceOf: (model) => (model === "free-of-price" ? undefined : price) },
    ledger: {
      admit(admission) {
        admit?.(admission);
        admitted.push(admission);
        return Promise.resolve(
          ok({ remainingRequests: 3, remainingNanoUsd: undefined, reservedNanoUsd: 0n }),
        );
      },
    },
    onUnrecorded: isAllowed ? (error) => unrecorded.push(error) : undefined,
  });
  const result = await limit(call, permit, held, place.value);
  return { result, admitted, unrecorded, permit };
}

const ask = (fields: object) => JSON.stringify({ messages: [{ role: "user", content: "hi" }], ...fields });

describe("allowed_models", () => {
  const limits = { allowedModels: ["gpt-5", "claude-*"] };
  const passes: [name: string, setUp: SetUp][] = [
    ["a model by its name", { body: ask({ model: "gpt-5" }) }],
    ["one by its beginning", { body: ask({ model: "claude-x" }) }],
    ["a route without a model", { path: "/v1/files", body: "x" }],
  ];
  test.each(passes)("%s passes", async (_, setUp) => {
    expect((await limited({ ...setUp, limits })).result.ok).toBe(true);
  });

  const refused: [name: string, setUp: SetUp][] = [
    ["another model", { body: ask({ model: "gpt-4" }) }],
    ["another one beside it", { body: '{"model":"gpt-5","model":"gpt-4"}' }],
    ["another one first", { body: '{"model":"gpt-4","model":"gpt-5"}' }],
    ["another one in escapes", { body: '{"mod\\u0065l":"gpt-4"}' }],
    ["none where one is taken", { body: ask({}) }],
    ["one in the path of another verb", { path: "/v1beta/models/veo:predictLongRunning" }],
    ["one within", { path: "/v1/messages/batches", body: '{"requests":[{"params":{"model":"gpt-4"}}]}' }],
    ["one past many", { body: `{${'"model":"gpt-5",'.repeat(20)}"model":"gpt-4"}` }],
    ["a list of others", { body: ask({ model: "gpt-5", models: ["gpt-4"] }) }],
    ["one in the path", { path: "/v1beta/models/gemini-x:generateContent" }],
  ];
  test.each(refused)("%s is refused", async (_, setUp) => {
    const { result, admitted } = await limited({ ...setUp, limits });
    expect(result).toMatchObject({ error: { code: "model_not_allowed", hit: { limit: "allowed_models" } } });
    expect(admitted).toEqual([]);
  });

  test("a compressed body is refused, as nobody here reads it", async () => {
    const headers = { "content-encoding": "gzip" };
    expect((await limited({ limits, headers })).result).toMatchObject({
      error: { code: "unsupported_encoding" },
    });
  });
});

describe("a budget", () => {
  const limits = { budgetNanoUsd: 10n ** 9n };
  test("has the most that a request can cost set aside", async () => {
    const { admitted } = await limited({ limits, body: ask({ model: "m", max_tokens: 5 }) });
    // 128 tokens at 1,000 nano-dollars and 5 at 2,000
    expect(admitted[0]).toMatchObject({ model: "m", reserve: 138_000n });
  });

  test("refuses what nobody can bound, and says why", async () => {
    const { result } = await limited({ limits, path: "/v1/new", body: ask({ model: "m" }) });
    expect(result).toMatchObject({
      error: { code: "budget_exceeded", why: expect.stringContaining("route") },
    });
  });

  test("refuses a model without a price, or lets it pass where that is wanted", async () => {
    const body = ask({ model: "free-of-price", max_tokens: 5 });
    expect((await limited({ limits, body })).result).toMatchObject({ error: { code: "budget_exceeded" } });
    const allowing = { ...limits, unpriced: "allow" as const };
    expect((await limited({ limits: allowing, body })).admitted[0]?.reserve).toBe(0n);
  });

  test("lets pass what is free", async () => {
    expect((await limited({ limits, method: "GET", path: "/v1/models", body: "" })).result.ok).toBe(true);
  });
});

test("tpm sets the input aside, and the output that is asked for", async () => {
  const body = ask({ model: "m", max_tokens: 90 });
  expect((await limited({ limits: { tpm: 1_000_000 }, body })).result.ok).toBe(true);
  expect(mustReadBody({ grant: { token: aToken("t"), project: aProject("p") } })).toBe(false);
});

describe("where the ledger cannot be written", () => {
  const full = () => {
    throw new Error("disk full");
  };
  test("nothing passes", async () => {
    await expect(limited({ admit: full })).rejects.toThrow("disk full");
  });

  test("LEDGER_FAILURE=allow lets it pass unrecorded, and tells", async () => {
    const { result, unrecorded } = await limited({ admit: full, isAllowed: true });
    expect(result).toMatchObject({ value: { entryId: null } });
    expect(unrecorded).toHaveLength(1);
  });
});
