/** When a budget begins anew, UTC; a week begins on Monday. */
export const budgetPeriods = ["total", "day", "week", "month"] as const;
export type BudgetPeriod = (typeof budgetPeriods)[number];

/** What a budget does with a request whose model has no price. */
export const unpricedChoices = ["refuse", "allow"] as const;
export type UnpricedChoice = (typeof unpricedChoices)[number];

/** The limits of a token or a project; null is no limit. Those of both hold for a request. */
export interface Limits {
  /** Requests forwarded in all, 1 or more. */
  readonly maxRequests: number | null;
  /** Requests in any 60 seconds, 1 or more. */
  readonly rpm: number | null;
  /** Tokens in any 60 seconds, 1 or more. */
  readonly tpm: number | null;
  /** Requests under way at once, 1 or more. */
  readonly maxConcurrency: number | null;
  /** Names of models, or `prefix*`; one or more. */
  readonly allowedModels: readonly string[] | null;
  /** More than 0. */
  readonly budgetNanoUsd: bigint | null;
  readonly budgetPeriod: BudgetPeriod;
  readonly unpriced: UnpricedChoice;
}

export const noLimits: Limits = {
  maxRequests: null,
  rpm: null,
  tpm: null,
  maxConcurrency: null,
  allowedModels: null,
  budgetNanoUsd: null,
  budgetPeriod: "total",
  unpriced: "refuse",
};

/** Whose limits they are. */
export type LimitScope = "token" | "project";

/** The limits of one of the two that a request is bound by. */
export interface Bound {
  readonly scope: LimitScope;
  /** Of the token or the project. */
  readonly id: string;
  readonly limits: Limits;
}

/** The name of a limit in `x-llm-proxy-limit`, behind its scope and a colon. */
export type LimitName = "max_requests" | "rpm" | "tpm" | "max_concurrency" | "allowed_models" | "budget";

/** The limit that turned a request away. */
export interface LimitHit {
  readonly scope: LimitScope;
  readonly limit: LimitName;
  /** When it may pass; undefined where waiting does not help, or nobody can tell. */
  readonly retryAfterMs?: number;
}

/** Whether a model may be called: by its name, or by a `prefix*`, in the case it is written in. */
export function mayUseModel(allowed: readonly string[], model: string): boolean {
  return allowed.some((entry) =>
    entry.endsWith("*") ? model.startsWith(entry.slice(0, -1)) : model === entry,
  );
}
