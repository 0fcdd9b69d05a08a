/** `make failover`: what programs see when providers fail, directly, behind the binary and behind a peer. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { createProgress } from "../progress.ts";
import { openDirect } from "./direct.ts";
import { perform, type Showing } from "./perform.ts";
import { type Plan, readPlan, type TargetName } from "./plan.ts";
import { openPortkey } from "./portkey.ts";
import { openProduct } from "./product.ts";
import {
  detailTable,
  type LeftOut,
  passesOf,
  type Results,
  resultsJson,
  resultsPage,
  summaryTable,
} from "./report.ts";
import type { OpenTarget } from "./target.ts";

const openers: Readonly<Record<TargetName, OpenTarget>> = {
  direct: openDirect,
  "llm-proxy": openProduct,
  portkey: openPortkey,
};

async function failover(plan: Plan): Promise<Results> {
  const { scenarios, scale } = plan;
  const progress = createProgress(process.stderr, scenarios.length * plan.targets.length);
  const leftOut: LeftOut[] = [];
  const showings = await Promise.all(
    plan.targets.map((name) =>
      perform(openers[name], scenarios, scale, ({ number }) =>
        progress.step(`${name}, scenario ${number}`),
      ).catch((fault: unknown) => {
        // A peer that is not there is no reason to hold back the rest; we are.
        if (name !== "portkey") throw fault;
        leftOut.push({ name, reason: fault instanceof Error ? fault.message : String(fault) });
        return undefined;
      }),
    ),
  );
  progress.end();
  return { scenarios, showings: showings.filter((showing) => showing !== undefined), leftOut };
}

async function main(args: readonly string[]): Promise<void> {
  const plan = readPlan(args);
  const results = await failover(plan);
  const tell = (text: string) => process.stdout.write(`${text}\n`);
  if (plan.isJson) tell(resultsJson(results));
  else {
    tell(`${summaryTable(results)}\n\n${detailTable(results)}`);
    for (const { name, reason } of results.leftOut) tell(`\n${name} is left out: ${reason}`);
  }
  if (plan.output !== undefined) {
    const date = new Date(systemClock.now()).toISOString().slice(0, 10);
    const file = join(plan.output, `failover-${date}.md`);
    mkdirSync(plan.output, { recursive: true });
    const command = ["bun bench/failover/run.ts", ...args].join(" ");
    await Bun.write(file, resultsPage(results, { date, command }));
    process.stderr.write(`Written to ${file}\n`);
  }
  if (results.showings.some(isOursWithFaults)) process.exitCode = 1;
}

function isOursWithFaults({ target, played }: Showing): boolean {
  return target.name === "llm-proxy" && passesOf(played) < played.length;
}

if (import.meta.main) {
  main(process.argv.slice(2)).catch((fault: unknown) => {
    const causes = fault instanceof AggregateError ? fault.errors : [];
    for (const one of [fault, ...causes])
      process.stderr.write(`${one instanceof Error ? one.message : one}\n`);
    process.exitCode = 1;
  });
}
