import type { LimitFields } from "../client.ts";
import { given, readCount } from "../flag-values.ts";
import { UsageError } from "../output.ts";
import { cell } from "./show.ts";

const text = (description: string) => ({ type: "string", description }) as const;

/** The flags of limits, for tokens and projects. The word `none` takes a limit away. */
export const limitFlags = {
  "max-requests": text("How many requests it may make; 0 or none: no limit"),
  rpm: text("Requests in any 60 seconds, or none"),
  tpm: text("Tokens in any 60 seconds, or none"),
  "max-concurrency": text("Requests under way at once, or none"),
  "allowed-models": text("Names of models with commas between, name* for all that begin with it, or none"),
  "budget-usd": text("Dollars that it may spend in each period, such as 12.50, or none"),
  "budget-period": text("total, day, week or month; UTC"),
  unpriced: text("refuse or allow models without a price under a budget"),
} as const;

type Given = { readonly [Flag in keyof typeof limitFlags]?: string | undefined };

/** The fields of the API that these flags ask for. @throws {UsageError} */
export function limitsFrom(flags: Given): LimitFields {
  const count = (name: keyof Given) => (flags[name] === "none" ? null : readCount(`--${name}`, flags[name]));
  return given({
    max_requests: count("max-requests"),
    rpm: count("rpm"),
    tpm: count("tpm"),
    max_concurrency: count("max-concurrency"),
    allowed_models: readModels(flags["allowed-models"]),
    budget_usd: flags["budget-usd"] === "none" ? null : flags["budget-usd"],
    budget_period: readChoice("--budget-period", flags["budget-period"], ["total", "day", "week", "month"]),
    unpriced: readChoice("--unpriced", flags.unpriced, ["refuse", "allow"]),
  }) as LimitFields;
}

function readModels(flag: string | undefined): readonly string[] | null | undefined {
  if (flag === undefined || flag === "none") return flag && null;
  return flag.split(",").map((name) => name.trim());
}

function readChoice<const T extends string>(
  flag: string,
  value: string | undefined,
  choices: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const choice = choices.find((each) => each === value);
  if (choice === undefined)
    throw new UsageError(`${flag} '${value.slice(0, 20)}' is none of ${choices.join(", ")}`);
  return choice;
}

/** Name and text of each limit that there is, for a table of details. */
export function limitDetails(row: LimitFields): readonly (readonly [string, string])[] {
  const budget = row.budget_usd == null ? undefined : `$${row.budget_usd} (${row.budget_period ?? "total"})`;
  const unpriced = row.unpriced === "allow" ? "allowed" : "refused";
  const shown: readonly (readonly [string, unknown])[] = [
    ["RPM", row.rpm],
    ["TPM", row.tpm],
    ["Concurrency", row.max_concurrency],
    ["Models", row.allowed_models?.join(", ")],
    ["Budget", budget],
    ["Unpriced models", budget && unpriced],
  ];
  return shown.flatMap(([name, value]) => (value == null ? [] : [[name, cell(value)] as const]));
}
