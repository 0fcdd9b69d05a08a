import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

export const targetNames = ["direct", "llm-proxy", "portkey"] as const;
export type TargetName = (typeof targetNames)[number];

const USAGE = `usage: bun bench/failover/run.ts [--only 5,8] [--targets direct,llm-proxy] [--fast] [--json] [--output DIR]

  --only N,N     these scenarios alone
  --targets A,B  of ${targetNames.join(", ")}
  --fast         all times shortened to a twentieth; a peer whose own waits do not shrink may fail by that
  --json         the results as JSON instead of tables
  --output DIR   where failover-<date>.md is written (default: bench/results for a whole run, else nowhere)`;

const fastScale = 1 / 20;

/** What is played before whom. */
export interface Plan {
  readonly scenarios: readonly Scenario[];
  readonly targets: readonly TargetName[];
  /** What all times are multiplied with. */
  readonly scale: number;
  readonly isJson: boolean;
  /** Directory of the results file; undefined writes none. */
  readonly output: string | undefined;
}

/** Reads the command line. @throws {Error} with the usage, when it is wrong */
export function readPlan(args: readonly string[]): Plan {
  const { only, targets, fast, json, output } = readFlags(args);
  const isWhole = only === undefined && targets === undefined && !fast;
  return {
    scenarios:
      only === undefined ? scenarios : pick("--only", only, scenarios, ({ number }) => String(number)),
    targets: targets === undefined ? targetNames : pick("--targets", targets, targetNames, String),
    scale: fast ? fastScale : 1,
    isJson: json,
    output: output ?? (isWhole ? join(import.meta.dirname, "../results") : undefined),
  };
}

function readFlags(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: "string" },
        targets: { type: "string" },
        fast: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        output: { type: "string" },
      },
    });
    return values;
  } catch (fault) {
    throw new Error(`${fault instanceof Error ? fault.message : fault}\n${USAGE}`);
  }
}

/** Those of a list that are named, in the order of the list. */
function pick<T>(flag: string, text: string, all: readonly T[], nameOf: (one: T) => string): readonly T[] {
  const wanted = text.split(",").map((name) => name.trim());
  const unknown = wanted.find((name) => !all.some((one) => nameOf(one) === name));
  if (unknown !== undefined)
    throw new Error(`${flag} ${unknown} is none of ${all.map(nameOf).join(", ")}\n${USAGE}`);
  return all.filter((one) => wanted.includes(nameOf(one)));
}
