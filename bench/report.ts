import { cpus, totalmem } from "node:os";
import type { Sample } from "./load.ts";
import type { Scenario } from "./scenarios.ts";
import type { TargetName } from "./targets.ts";

/** All runs of one target under one load, in the order of the rounds. */
export interface Row {
  readonly target: TargetName;
  readonly samples: readonly Sample[];
}

/** The targets under the same load; their samples of one round stood next to each other in time. */
export interface Cell {
  readonly scenario: Scenario;
  readonly connections: number;
  readonly rows: readonly Row[];
}

export interface Setting {
  /** `YYYY-MM-DD`, UTC. */
  readonly date: string;
  readonly rounds: number;
  readonly seconds: number;
  /** Name and version of what took part. */
  readonly versions: readonly (readonly [string, string])[];
  /** Resident memory of each proxy at its highest, in bytes. */
  readonly peakRssBytes: readonly (readonly [TargetName, number])[];
}

/** The kernel counts CPU time in steps of 10 ms for each run: less than this in all is mostly rounding. */
const CPU_MS_MIN = 200;

const YARDSTICKS: readonly TargetName[] = ["bare relay", "nginx"];

/** The table of one load, as Markdown. */
export function cellTable(cell: Cell): string {
  const { unit } = cell.scenario;
  const head = [
    `c=${cell.connections}`,
    `${unit}s/s`,
    "min–max",
    "p50 ms",
    "p99 ms",
    `CPU µs/${unit}`,
    ...YARDSTICKS.map((name) => `× ${name}`),
  ];
  return markdownTable(
    head,
    cell.rows.map((row) => rowCells(cell, row)),
  );
}

/** The results file. It holds no name, path or address of the machine. */
export function resultsPage(cells: readonly Cell[], setting: Setting): string {
  const scenarios = [...new Set(cells.map((cell) => cell.scenario))];
  const sections = scenarios.map((scenario) => {
    const tables = cells.filter((cell) => cell.scenario === scenario).map(cellTable);
    return [`## ${scenario.title}`, `Latency is the time to ${scenario.latencyTo}.`, ...tables].join("\n\n");
  });
  const memory = setting.peakRssBytes.map(([name, bytes]) => [name, (bytes / 2 ** 20).toFixed(0)]);
  return `${[
    `# Benchmark of ${setting.date}`,
    "How this is measured and how to read it: [performance.md](../../docs/performance.md).",
    machineTable(setting),
    ...sections,
    "## Memory",
    markdownTable(["process", "peak RSS MiB"], memory),
  ].join("\n\n")}\n`;
}

function machineTable(setting: Setting): string {
  const processors = cpus();
  return markdownTable(
    ["what", "value"],
    [
      ["processor", `${processors[0]?.model.trim() ?? "unknown"}, ${processors.length} cores`],
      ["memory", `${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
      ["system", `${process.platform} ${process.arch}`],
      ["rounds", `${setting.rounds}, with ${setting.seconds} s for each load on each target`],
      ...setting.versions,
    ],
  );
}

function rowCells(cell: Cell, row: Row): string[] {
  const rates = row.samples.map((sample) => sample.perSecond);
  return [
    row.target,
    number(median(rates)),
    `${number(Math.min(...rates))}–${number(Math.max(...rates))}`,
    median(row.samples.map((sample) => sample.p50Ms)).toFixed(2),
    median(row.samples.map((sample) => sample.p99Ms)).toFixed(2),
    cpuUsOf(row)?.toFixed(0) ?? "–",
    ...YARDSTICKS.map((name) =>
      ratio(
        row,
        cell.rows.find((other) => other.target === name),
      ),
    ),
  ];
}

/** CPU time for each answer over all rounds, in microseconds; undefined where it is unknown or too short to be told. */
function cpuUsOf({ samples }: Row): number | undefined {
  const cpuMs = samples.reduce((total, sample) => total + (sample.cpuMs ?? 0), 0);
  const count = samples.reduce((total, sample) => total + sample.count, 0);
  return cpuMs < CPU_MS_MIN ? undefined : (cpuMs * 1_000) / count;
}

/** Median over the rounds of the ratio within a round, so that a slow minute of the machine counts for both. */
function ratio(row: Row, yardstick: Row | undefined): string {
  if (yardstick === undefined) return "–";
  const ratios = row.samples.map(
    (sample, round) => sample.perSecond / (yardstick.samples[round]?.perSecond ?? Number.NaN),
  );
  return median(ratios).toFixed(2);
}

/** @param values not empty */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function number(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0);
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}
