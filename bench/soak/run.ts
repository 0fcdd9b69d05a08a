/** `make soak`: puts one load after the other on the binary, each on a fresh one, and holds the figures to their bounds. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { createProgress } from "../progress.ts";
import { type Lab, openLab } from "./lab.ts";
import type { Load } from "./load.ts";
import { type Plan, readPlan } from "./plan.ts";
import { missed, type Result, reportOf, resultTable } from "./report.ts";

/** @param onOpen gets what has to be ended should the run be */
async function runLoad(load: Load, { scale, binary }: Plan, onOpen: (lab: Lab) => void): Promise<Result> {
  const { name, caseId } = load;
  const startMs = performance.now();
  const done = (): Omit<Result, "figures"> => {
    const seconds = Math.round((performance.now() - startMs) / 100) / 10;
    return { name, caseId, load: load.describe(scale), seconds };
  };
  try {
    await using lab = await openLab(binary);
    onOpen(lab);
    const figures = await load.run(lab, scale);
    return { ...done(), figures };
  } catch (error) {
    return { ...done(), figures: [], fault: error instanceof Error ? error.message : String(error) };
  }
}

async function soak(args: readonly string[]): Promise<void> {
  const plan = readPlan(args);
  const { loads, binary, output } = plan;
  if (!existsSync(binary)) throw new Error(`There is no ${binary}, run \`make build\` first`);
  const progress = createProgress(process.stdout, loads.length);
  const results: Result[] = [];
  let open: Lab | undefined;
  const leave = async () => {
    await open?.[Symbol.asyncDispose]();
    process.exit(130);
  };
  process.once("SIGINT", () => void leave()).once("SIGTERM", () => void leave());
  for (const load of loads) {
    const result = await runLoad(load, plan, (lab) => {
      open = lab;
    });
    results.push(result);
    progress.end(); // the table goes above the bar
    process.stdout.write(`${resultTable(result)}\n\n`);
    progress.step(`${load.name}, ${result.seconds} s`);
  }
  progress.end();
  const over = missed(results);
  process.stdout.write(
    `\n${over === 0 ? "All figures are within their bounds" : `${over} over their bounds`}\n`,
  );
  if (over > 0) process.exitCode = 1;
  if (output === undefined) return;
  const date = new Date(systemClock.now()).toISOString().slice(0, 10);
  mkdirSync(output, { recursive: true });
  const file = join(output, `${date}-soak.json`);
  const report = reportOf(results, { date, commit: commitOf(binary) });
  await Bun.write(file, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`Written to ${file}\n`);
}

/** What the binary was built from, as it tells itself. */
function commitOf(binary: string): string {
  const { stdout } = Bun.spawnSync([binary, "version", "--json"], { env: {} });
  return (JSON.parse(stdout.toString()) as { commit: string }).commit;
}

if (import.meta.main) {
  soak(process.argv.slice(2)).catch((fault: unknown) => {
    process.stderr.write(`${fault instanceof Error ? fault.message : String(fault)}\n`);
    process.exitCode = 1;
  });
}
