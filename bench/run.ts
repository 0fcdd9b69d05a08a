/** `make bench`: starts the targets, drives them in turn, prints the tables and writes the results file. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/clock.ts";
import { measure } from "./load.ts";
import { type Plan, readPlan } from "./plan.ts";
import { createProcesses, type Processes } from "./processes.ts";
import { createProgress } from "./progress.ts";
import { cellTable, resultsPage } from "./report.ts";
import { checkAnswers, type Driver, runRounds, warmUp } from "./rounds.ts";
import { startTargets } from "./targets.ts";
import { findTools, type Tools, versionsOf } from "./tools.ts";

async function bench(plan: Plan, tools: Tools, processes: Processes, directory: string): Promise<void> {
  const tell = (text: string) => process.stdout.write(`${text}\n`);
  const drive: Driver = (load) => measure(load, processes, tools.wrk);
  const targets = await startTargets({ processes, directory, tools });
  await checkAnswers(targets);
  if (plan.warmUp) await warmUp(targets, drive);
  const cells = await runRounds(plan, targets, {
    drive,
    progress: (parts) => createProgress(process.stdout, parts),
  });
  for (const cell of cells) tell(`\n${cell.scenario.title}\n${cellTable(cell)}`);
  if (plan.output === undefined) return;
  const date = new Date(systemClock.now()).toISOString().slice(0, 10);
  const peakRssBytes = targets.flatMap(({ name, process: own }) => {
    const bytes = own?.peakRssBytes();
    return bytes === undefined ? [] : [[name, bytes] as const];
  });
  mkdirSync(plan.output, { recursive: true });
  const file = join(plan.output, `${date}.md`);
  await Bun.write(file, resultsPage(cells, { ...plan, date, versions: versionsOf(tools), peakRssBytes }));
  tell(`\nWritten to ${file}`);
}

async function main(args: readonly string[]): Promise<void> {
  const plan = readPlan(args);
  const tools = findTools();
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-bench-"));
  const processes = createProcesses();
  const cleanUp = (): void => {
    processes[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  };
  const leave = (): void => {
    cleanUp();
    process.exit(130);
  };
  process.once("SIGINT", leave).once("SIGTERM", leave);
  await bench(plan, tools, processes, directory).finally(cleanUp);
}

if (import.meta.main) {
  main(process.argv.slice(2)).catch((fault: unknown) => {
    process.stderr.write(`${fault instanceof Error ? fault.message : String(fault)}\n`);
    process.exitCode = 1;
  });
}
