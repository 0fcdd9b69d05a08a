/** `make fuzz`: compares what passes the proxy with what goes round it, until the time is over. */
import { parseArgs } from "node:util";
import { type FuzzOptions, fuzz } from "./fuzz.ts";

const usage = "bun test/fuzz/run.ts [--minutes N] [--seed N] [--case N]";
const progressEveryMs = 500;

/** The flags of `make fuzz`. @throws {Error} where one is no number or not known */
export function readFlags(args: readonly string[]): FuzzOptions {
  const string = { type: "string" } as const;
  const { values } = parseArgs({ args: [...args], options: { minutes: string, seed: string, case: string } });
  const read = (name: keyof typeof values, otherwise: number): number => {
    const number = Number(values[name] ?? otherwise);
    if (!Number.isFinite(number) || number < 0) throw new Error(`--${name} must be a number\n${usage}`);
    return number;
  };
  return {
    seed: read("seed", newSeed()),
    durationMs: read("minutes", 10) * 60_000,
    ...(values.case !== undefined && { from: read("case", 0), casesMax: 1 }),
  };
}

/** One that has most likely not been run before. */
export function newSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** Draws one line over itself on a terminal, and nothing elsewhere. */
function createProgressLine(out: NodeJS.WriteStream, durationMs: number) {
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    draw(cases: number, elapsedMs: number): void {
      if (!out.isTTY || elapsedMs - drawnMs < progressEveryMs) return;
      drawnMs = elapsedMs;
      const percent = Math.min(100, Math.floor((elapsedMs * 100) / durationMs));
      out.write(`\r\x1b[K${percent} %  ${cases} cases, ${perSecond(cases, elapsedMs)}/s`);
    },
    clear: () => out.isTTY && out.write("\r\x1b[K"),
  };
}

function perSecond(cases: number, elapsedMs: number): number {
  return Math.round((cases * 1_000) / elapsedMs);
}

async function main(args: readonly string[], out: NodeJS.WriteStream): Promise<void> {
  const options = readFlags(args);
  out.write(`seed ${options.seed}\n`);
  const progress = createProgressLine(out, options.durationMs);
  const { cases, elapsedMs, fault } = await fuzz({ ...options, onProgress: progress.draw });
  progress.clear();
  if (fault !== undefined) {
    out.write(`${fault}\n`);
    process.exitCode = 1;
  }
  const seconds = (elapsedMs / 1_000).toFixed(1);
  const found = fault === undefined ? "no difference" : "a difference";
  out.write(`${cases} cases in ${seconds} s, ${perSecond(cases, elapsedMs)}/s: ${found}\n`);
}

if (import.meta.main) {
  main(process.argv.slice(2), process.stdout).catch((fault: unknown) => {
    process.stderr.write(`${fault instanceof Error ? fault.message : String(fault)}\n`);
    process.exitCode = 1;
  });
}
