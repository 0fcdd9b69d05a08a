import { cpus, totalmem } from "node:os";
import { type Figure, holds } from "./load.ts";

/** What a load came to. */
export interface Result {
  readonly name: string;
  readonly caseId: string;
  /** What was done, in words. */
  readonly load: string;
  readonly seconds: number;
  /** Empty where the load itself failed. */
  readonly figures: readonly Figure[];
  /** Why it failed. */
  readonly fault?: string;
}

/** Everything of one run, as it is written to the JSON file. It holds no name, path or address of the machine. */
export interface Report {
  /** `YYYY-MM-DD`, UTC. */
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly results: readonly Result[];
}

export function reportOf(results: readonly Result[], when: { date: string; commit: string }): Report {
  const processors = cpus();
  const memoryGib = (totalmem() / 2 ** 30).toFixed(0);
  const rounded = results.map((result) => ({ ...result, figures: result.figures.map(round) }));
  const machine = `${processors[0]?.model.trim() ?? "unknown"}, ${processors.length} cores, ${memoryGib} GiB, ${process.platform} ${process.arch}`;
  return { ...when, machine, results: rounded };
}

function round(figure: Figure): Figure {
  return { ...figure, measured: Number(figure.measured.toFixed(3)) };
}

/** How many figures are over their bounds, a load that failed counting as one. */
export function missed(results: readonly Result[]): number {
  return results.reduce(
    (sum, { figures, fault }) =>
      sum + (fault === undefined ? 0 : 1) + figures.filter((figure) => !holds(figure)).length,
    0,
  );
}

/** The figures of one load, as they stand in docs/capacity.md. */
export function resultTable({ name, caseId, load, figures, fault }: Result): string {
  const title = `${name} (${caseId}): ${load}`;
  if (fault !== undefined) return `${title}\n  FAILED: ${fault}`;
  const rows = figures.map((figure) => [
    figure.name,
    `${format(figure.measured)} ${figure.unit}`.trim(),
    figure.max === undefined ? "" : `at most ${format(figure.max)}`,
    figure.max === undefined ? "" : holds(figure) ? "ok" : "OVER",
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ")}`.trimEnd(),
  );
  return [title, ...lines].join("\n");
}

function format(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) < 10 ? 2 : 0);
}
