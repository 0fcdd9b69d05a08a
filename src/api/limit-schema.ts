import { type Static, Type } from "@sinclair/typebox";
import { budgetPeriods, type Limits, unpricedChoices } from "../limit/limits.ts";
import { maxRequestsMax, type WantedLimits } from "../limit/wanted.ts";
import { formatUsd } from "../usage/money.ts";
import { defined } from "./route.ts";

const orNull = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) =>
  Type.Union([schema, Type.Null()]);
/** One of the words. */
const words = <const T extends readonly string[]>(list: T, description: string) =>
  Type.Union(
    list.map((word) => Type.Literal(word as T[number])),
    { description },
  );

const texts = {
  max_requests: "Requests in all",
  rpm: "Requests in any 60 seconds",
  tpm: "Tokens in any 60 seconds",
  max_concurrency: "Requests under way at once",
  allowed_models: "Names of models, or `prefix*`",
  budget_usd: "What may be spent in each `budget_period`, a decimal",
  budget_period: "Begins anew with each, UTC; a week on Monday",
  unpriced: "What a budget does with a model that has no price",
};

/** The fields of limits in a body of `POST` or `PATCH`. */
export const limitFields = {
  max_requests: Type.Optional(
    orNull(
      Type.Integer({ description: `${texts.max_requests}; 0 and null: no limit; at most ${maxRequestsMax}` }),
    ),
  ),
  rpm: Type.Optional(orNull(Type.Integer({ description: `${texts.rpm}; null: no limit` }))),
  tpm: Type.Optional(orNull(Type.Integer({ description: `${texts.tpm}; null: no limit` }))),
  max_concurrency: Type.Optional(
    orNull(Type.Integer({ description: `${texts.max_concurrency}; null: no limit` })),
  ),
  allowed_models: Type.Optional(
    orNull(
      Type.Array(Type.String(), {
        description: `${texts.allowed_models}; null: all`,
        examples: [["gpt-5*"]],
      }),
    ),
  ),
  budget_usd: Type.Optional(
    orNull(Type.String({ description: `${texts.budget_usd} as text; null: no budget`, examples: ["12.50"] })),
  ),
  budget_period: Type.Optional(orNull(words(budgetPeriods, texts.budget_period))),
  unpriced: Type.Optional(orNull(words(unpricedChoices, texts.unpriced))),
};

/** The same as they are shown. */
export const limitsShown = {
  max_requests: orNull(Type.Integer({ description: `${texts.max_requests}; null: no limit` })),
  rpm: orNull(Type.Integer({ description: texts.rpm })),
  tpm: orNull(Type.Integer({ description: texts.tpm })),
  max_concurrency: orNull(Type.Integer({ description: texts.max_concurrency })),
  allowed_models: orNull(Type.Array(Type.String(), { description: texts.allowed_models })),
  budget_usd: orNull(Type.String({ description: texts.budget_usd, examples: ["12.5"] })),
  budget_period: words(budgetPeriods, texts.budget_period),
  unpriced: words(unpricedChoices, texts.unpriced),
};

const shownSchema = Type.Object(limitsShown);
const wantedSchema = Type.Object(limitFields);

/** Limits as the API takes them, in our words. */
export function toWanted(body: Static<typeof wantedSchema>): WantedLimits {
  return defined({
    maxRequests: body.max_requests,
    rpm: body.rpm,
    tpm: body.tpm,
    maxConcurrency: body.max_concurrency,
    allowedModels: body.allowed_models,
    budgetUsd: body.budget_usd,
    budgetPeriod: body.budget_period,
    unpriced: body.unpriced,
  });
}

export function limitsToJson(limits: Limits): Static<typeof shownSchema> {
  return {
    max_requests: limits.maxRequests,
    rpm: limits.rpm,
    tpm: limits.tpm,
    max_concurrency: limits.maxConcurrency,
    allowed_models: limits.allowedModels === null ? null : [...limits.allowedModels],
    budget_usd: limits.budgetNanoUsd === null ? null : formatUsd(limits.budgetNanoUsd),
    budget_period: limits.budgetPeriod,
    unpriced: limits.unpriced,
  };
}
