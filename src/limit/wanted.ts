import { fail, ok, type Result } from "../result.ts";
import { parseUsd } from "../usage/money.ts";
import {
  type BudgetPeriod,
  budgetPeriods,
  type Limits,
  type UnpricedChoice,
  unpricedChoices,
} from "./limits.ts";

/** Limits as somebody asks for them: what is absent stays as it is, null takes a limit away. */
export interface WantedLimits {
  /** 0 is no limit, too. */
  readonly maxRequests?: number | null;
  readonly rpm?: number | null;
  readonly tpm?: number | null;
  readonly maxConcurrency?: number | null;
  readonly allowedModels?: readonly string[] | null;
  /** A decimal text: `12.50`. */
  readonly budgetUsd?: string | null;
  readonly budgetPeriod?: BudgetPeriod | null;
  readonly unpriced?: UnpricedChoice | null;
}

/** Which limit cannot be what was asked for, by its name in the API, and what it takes. */
export interface LimitFault {
  readonly code: "limit_invalid";
  readonly field: string;
  readonly advice: string;
}

export const maxRequestsMax = 2_147_483_647;
const countMax = 1_000_000_000;
/** A window of requests takes eight bytes for each. */
const rpmMax = 1_000_000;
const modelsMax = 200;
const modelNameMax = 256;
/** A billion dollars: sums of it fit into 64 bits. */
const budgetNanoUsdMax = 1_000_000_000n * 1_000_000_000n;

/** Checks what is given; gives that alone. */
export function readLimits(wanted: WantedLimits): Result<Partial<Limits>, LimitFault> {
  const faults: LimitFault[] = [];
  const limits: { -readonly [Key in keyof Limits]?: Limits[Key] } = {};
  const refuse = (field: string, advice: string) => {
    faults.push({ code: "limit_invalid", field, advice });
    return null;
  };
  const whole = (field: string, value: number | null, max: number): number | null =>
    value === null || (Number.isSafeInteger(value) && value >= 1 && value <= max)
      ? value
      : refuse(field, `Give a whole number from 1 to ${max}, or null for no limit`);

  if (wanted.maxRequests !== undefined)
    limits.maxRequests = whole(
      "max_requests",
      wanted.maxRequests === 0 ? null : wanted.maxRequests,
      maxRequestsMax,
    );
  if (wanted.rpm !== undefined) limits.rpm = whole("rpm", wanted.rpm, rpmMax);
  if (wanted.tpm !== undefined) limits.tpm = whole("tpm", wanted.tpm, countMax);
  if (wanted.maxConcurrency !== undefined)
    limits.maxConcurrency = whole("max_concurrency", wanted.maxConcurrency, countMax);
  if (wanted.allowedModels !== undefined)
    limits.allowedModels =
      wanted.allowedModels === null || areModels(wanted.allowedModels)
        ? wanted.allowedModels
        : refuse(
            "allowed_models",
            `Give 1 to ${modelsMax} names, or name* for all that begin with it, or null`,
          );
  if (wanted.budgetUsd !== undefined)
    limits.budgetNanoUsd =
      wanted.budgetUsd === null
        ? null
        : (readBudget(wanted.budgetUsd) ??
          refuse("budget_usd", 'Give a decimal above 0 as text, such as "12.50"'));
  if (wanted.budgetPeriod !== undefined) limits.budgetPeriod = wanted.budgetPeriod ?? budgetPeriods[0];
  if (wanted.unpriced !== undefined) limits.unpriced = wanted.unpriced ?? unpricedChoices[0];
  const [fault] = faults;
  return fault === undefined ? ok(limits) : fail(fault);
}

function areModels(names: readonly string[]): boolean {
  const isName = (name: string) =>
    name !== "" && name.length <= modelNameMax && /^[^*\p{Cc}]*\*?$/u.test(name);
  return names.length >= 1 && names.length <= modelsMax && names.every(isName);
}

/** Amounts finer than a nano-dollar are no amounts. */
function readBudget(text: string): bigint | undefined {
  const nanoUsd = parseUsd(text);
  return nanoUsd.ok && nanoUsd.value > 0n && nanoUsd.value <= budgetNanoUsdMax ? nanoUsd.value : undefined;
}
