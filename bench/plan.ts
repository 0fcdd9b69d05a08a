import { join } from "node:path";
import { parseArgs } from "node:util";
import { CONNECTIONS } from "./scenarios.ts";

const USAGE = `usage: bun bench/run.ts [--rounds N] [--seconds N] [--output DIRECTORY] [--quick]

  --rounds N    how often each target is measured under each load (default 5)
  --seconds N   length of one measurement, whole seconds (default 2)
  --output DIR  where <date>.md is written (default bench/results; with --quick nowhere)
  --quick       one round of 1 s at 16 connections: shows that all works, its figures mean little`;

/** What is measured how often. */
export interface Plan {
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: readonly number[];
  /** Lets the just-in-time compilers work before anything counts. */
  readonly warmUp: boolean;
  /** Directory of the results file; undefined writes none. */
  readonly output: string | undefined;
}

/** Reads the command line. @throws {Error} with the usage, when it is wrong */
export function readPlan(args: readonly string[]): Plan {
  const { rounds, seconds, output, quick } = readFlags(args);
  if (quick) return { rounds: 1, seconds: 1, connections: [16], warmUp: false, output };
  return {
    rounds: wholeNumber("--rounds", rounds),
    seconds: wholeNumber("--seconds", seconds),
    connections: CONNECTIONS,
    warmUp: true,
    output: output ?? join(import.meta.dirname, "results"),
  };
}

function readFlags(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        rounds: { type: "string", default: "5" },
        seconds: { type: "string", default: "2" },
        output: { type: "string" },
        quick: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (fault) {
    throw new Error(`${fault instanceof Error ? fault.message : fault}\n${USAGE}`);
  }
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${flag} ${text} is not a whole number above 0\n${USAGE}`);
  }
  return value;
}
