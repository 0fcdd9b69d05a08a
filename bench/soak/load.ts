import type { Lab } from "./lab.ts";

/** One thing that was measured. */
export interface Figure {
  readonly name: string;
  readonly unit: "ms" | "MiB" | "MiB/h" | "MB/s" | "" | "% of a core";
  readonly measured: number;
  /** At most that; undefined where it is only told. */
  readonly max?: number | undefined;
}

/** How large: as the case has it, or as far as it shows something within seconds. */
export type Scale = "full" | "quick";

/** One load on the binary, with what must hold under it. */
export interface Load {
  /** For `--only`. */
  readonly name: string;
  /** Of the case it is. */
  readonly caseId: string;
  /** What is done, at that scale. */
  describe(scale: Scale): string;
  run(lab: Lab, scale: Scale): Promise<readonly Figure[]>;
}

interface LoadSpec<Size> {
  readonly name: string;
  readonly caseId: string;
  readonly sizes: Readonly<Record<Scale, Size>>;
  describe(size: Size): string;
  run(lab: Lab, size: Size): Promise<readonly Figure[]>;
}

/** A load whose sizes are data. */
export function defineLoad<Size>({ name, caseId, sizes, describe, run }: LoadSpec<Size>): Load {
  return {
    name,
    caseId,
    describe: (scale) => describe(sizes[scale]),
    run: (lab, scale) => run(lab, sizes[scale]),
  };
}

/** Whether the figure is within its bound; one that could not be measured is not. */
export function holds({ measured, max }: Figure): boolean {
  return max === undefined || measured <= max;
}

/** @param values in any order; of none it is NaN */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Waits until it holds. @throws {Error} naming what did not come, past the deadline */
export async function until(holdsNow: () => boolean, what: string, deadlineMs = 30_000): Promise<void> {
  const giveUpAtMs = performance.now() + deadlineMs;
  while (!holdsNow()) {
    if (performance.now() > giveUpAtMs) throw new Error(`No ${what} within ${deadlineMs} ms`);
    await Bun.sleep(2);
  }
}

/** Runs `work` for 0 to `count` - 1, so many at once. */
export async function inTurns(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const turn = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, turn));
}
