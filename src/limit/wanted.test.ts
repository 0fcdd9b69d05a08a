import { describe, expect, test } from "bun:test";
import { mayUseModel } from "./limits.ts";
import { readLimits, type WantedLimits } from "./wanted.ts";

describe("limits that are asked for", () => {
  const taken: [wanted: WantedLimits, limits: object][] = [
    [{}, {}],
    [{ maxRequests: 0 }, { maxRequests: null }],
    [
      { maxRequests: null, rpm: null },
      { maxRequests: null, rpm: null },
    ],
    [
      { rpm: 1, tpm: 2, maxConcurrency: 3 },
      { rpm: 1, tpm: 2, maxConcurrency: 3 },
    ],
    [{ allowedModels: ["gpt-5", "claude-*", "*"] }, { allowedModels: ["gpt-5", "claude-*", "*"] }],
    [{ budgetUsd: "12.50" }, { budgetNanoUsd: 12_500_000_000n }],
    [{ budgetUsd: "0.000000001" }, { budgetNanoUsd: 1n }],
    [
      { budgetUsd: null, budgetPeriod: "week" },
      { budgetNanoUsd: null, budgetPeriod: "week" },
    ],
    [
      { budgetPeriod: null, unpriced: null },
      { budgetPeriod: "total", unpriced: "refuse" },
    ],
  ];
  test.each(taken)("%j becomes %p", (wanted, limits) => {
    expect(readLimits(wanted)).toEqual({ ok: true, value: limits });
  });

  const refused: [field: string, wanted: WantedLimits][] = [
    ["max_requests", { maxRequests: -1 }],
    ["max_requests", { maxRequests: 1.5 }],
    ["max_requests", { maxRequests: 2 ** 31 }],
    ["rpm", { rpm: 0 }],
    ["rpm", { rpm: 1e18 }],
    ["tpm", { tpm: Number.NaN }],
    ["max_concurrency", { maxConcurrency: Number.POSITIVE_INFINITY }],
    ["allowed_models", { allowedModels: [] }],
    ["allowed_models", { allowedModels: [""] }],
    ["allowed_models", { allowedModels: ["a*b"] }],
    ["allowed_models", { allowedModels: ["x".repeat(300)] }],
    ["budget_usd", { budgetUsd: "0" }],
    ["budget_usd", { budgetUsd: "-1" }],
    ["budget_usd", { budgetUsd: "1e3" }],
    ["budget_usd", { budgetUsd: "0.0000000001" }],
    ["budget_usd", { budgetUsd: "" }],
  ];
  test.each(refused)("%s cannot be what %p asks for", (field, wanted) => {
    expect(readLimits(wanted)).toMatchObject({ error: { code: "limit_invalid", field } });
  });
});

test("a model is allowed by its whole name or by a beginning, in its own case", () => {
  expect(mayUseModel(["gpt-4o", "claude-*"], "gpt-4o")).toBe(true);
  expect(mayUseModel(["gpt-4o", "claude-*"], "gpt-4o-mini")).toBe(false);
  expect(mayUseModel(["gpt-4o", "claude-*"], "claude-opus")).toBe(true);
  expect(mayUseModel(["gpt-4o", "claude-*"], "GPT-4o")).toBe(false);
  expect(mayUseModel(["*"], "")).toBe(true);
});
