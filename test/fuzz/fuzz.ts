import { type Bench, type Lines, openBench, openLines } from "./bench.ts";
import type { FuzzCase } from "./fuzz-case.ts";
import { generateCase } from "./generate-case.ts";
import { createRandom, seedOf } from "./random.ts";
import { shrink } from "./shrink.ts";

export interface FuzzOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** The first case that is run, default 0. */
  readonly from?: number;
  /** Cases at the most. */
  readonly casesMax?: number;
  readonly onProgress?: (cases: number, elapsedMs: number) => void;
  /** See `openBench`. */
  readonly via?: (port: number) => Promise<number>;
}

export interface FuzzResult {
  readonly cases: number;
  readonly elapsedMs: number;
  /** The first difference, worded with what makes it again; the run ends there. */
  readonly fault: string | undefined;
}

const workers = 6;
/** The harness keeps all that it has seen, so that everything is started anew after so many cases. */
const casesPerBench = 4_000;
const freshLineChance = 0.25;

/** Sends random requests both ways until the time is over or a difference is found. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const startedMs = performance.now();
  const from = options.from ?? 0;
  const end = from + (options.casesMax ?? Number.MAX_SAFE_INTEGER);
  const run = { next: from, done: 0, fault: undefined as string | undefined };
  const elapsedMs = (): number => performance.now() - startedMs;
  const isOver = (): boolean =>
    run.fault !== undefined || run.next >= end || elapsedMs() >= options.durationMs;

  while (!isOver()) {
    await using bench = await openBench(options.via);
    const benchEnd = run.next + casesPerBench;
    const work = async (): Promise<void> => {
      let lines = openLines();
      while (!isOver() && run.next < benchEnd) {
        const number = run.next++;
        const random = createRandom(seedOf(options.seed, number));
        const fuzzCase = generateCase(random);
        if (random.chance(freshLineChance)) {
          lines[Symbol.dispose]();
          lines = openLines();
        }
        const found = await bench.run(fuzzCase, lines);
        run.done++;
        if (found.length > 0)
          run.fault ??= await describeFault(bench, fuzzCase, { found, seed: options.seed, number });
        options.onProgress?.(run.done, elapsedMs());
      }
      lines[Symbol.dispose]();
    };
    await Promise.all(Array.from({ length: workers }, work));
  }
  return { cases: run.done, elapsedMs: elapsedMs(), fault: run.fault };
}

interface Found {
  readonly found: readonly string[];
  readonly seed: number;
  readonly number: number;
}

async function describeFault(
  bench: Bench,
  fuzzCase: FuzzCase,
  { found, seed, number }: Found,
): Promise<string> {
  const runAlone = async (smaller: FuzzCase): Promise<string[]> => {
    using lines: Lines = openLines();
    return await bench.run(smaller, lines);
  };
  const isAlone = (await runAlone(fuzzCase)).length > 0;
  const smallest = isAlone
    ? await shrink(fuzzCase, async (smaller) => (await runAlone(smaller)).length > 0)
    : fuzzCase;
  const left = isAlone ? await runAlone(smallest) : found;
  return [
    `Case ${number} of seed ${seed} is different:`,
    ...left.map((line) => `  ${line}`),
    isAlone ? "The smallest case found:" : "It did not happen again on connections of its own; the case:",
    shown(smallest),
    `Again: bun test/fuzz/run.ts --seed ${seed} --case ${number}`,
  ].join("\n");
}

const shownMax = 400;

/** Bytes as latin-1, so that each can be read. */
function shown(fuzzCase: FuzzCase): string {
  return JSON.stringify(
    fuzzCase,
    (_, value: unknown) => {
      const bytes = bytesOf(value);
      if (bytes === undefined) return value;
      const text = bytes.toString("latin1");
      return text.length > shownMax ? `${text.slice(0, shownMax)}… (${text.length})` : text;
    },
    2,
  );
}

/** A Buffer has become an object by the time a replacer sees it. */
function bytesOf(value: unknown): Buffer | undefined {
  const isBuffer = typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";
  return isBuffer && "data" in value ? Buffer.from(value.data as number[]) : undefined;
}
