import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Load, Scale } from "./load.ts";
import { allLoads } from "./loads.ts";

const minutesDefault = 10;

/** What is run, and how large. */
export interface Plan {
  readonly loads: readonly Load[];
  readonly scale: Scale;
  /** Path of the product's binary. */
  readonly binary: string;
  /** Directory of the JSON file; undefined writes none. */
  readonly output: string | undefined;
}

const usage =
  (): string => `usage: bun bench/soak/run.ts [--only NAME,…] [--minutes N] [--quick] [--binary FILE] [--output DIRECTORY]

  --only NAMES  of these loads: ${allLoads(minutesDefault)
    .map(({ name }) => name)
    .join(", ")}
  --minutes N   how long the mixed load goes on (default ${minutesDefault}; the case has 360)
  --quick       small sizes: shows within a minute that all works
  --binary FILE what is measured (default dist/llm-proxy)
  --output DIR  where <date>-soak.json is written (default bench/results; with --quick or --only nowhere)`;

/** Reads the command line. @throws {Error} with the usage, when it is wrong */
export function readPlan(args: readonly string[]): Plan {
  const { only, minutes, quick, binary, output } = readFlags(args);
  const length = Number(minutes);
  if (!(length > 0)) throw new Error(`--minutes ${minutes} is not a number above 0\n${usage()}`);
  const loads = allLoads(length);
  const names = only?.split(",") ?? loads.map(({ name }) => name);
  const unknown = names.find((name) => !loads.some((load) => load.name === name));
  if (unknown !== undefined) throw new Error(`There is no load ${unknown}\n${usage()}`);
  const isWhole = !quick && only === undefined;
  return {
    loads: loads.filter(({ name }) => names.includes(name)),
    scale: quick ? "quick" : "full",
    binary: binary ?? join(import.meta.dirname, "../../dist/llm-proxy"),
    output: output ?? (isWhole ? join(import.meta.dirname, "../results") : undefined),
  };
}

function readFlags(args: readonly string[]) {
  const string = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: string,
        minutes: { ...string, default: String(minutesDefault) },
        quick: { type: "boolean", default: false },
        binary: string,
        output: string,
      },
    });
    return values;
  } catch (fault) {
    throw new Error(`${fault instanceof Error ? fault.message : fault}\n${usage()}`);
  }
}
