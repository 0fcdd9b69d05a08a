import { expect, test } from "bun:test";
import type { Sample } from "./load.ts";
import { type Cell, cellTable, median, resultsPage } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";

const sample = (perSecond: number, cpuMs: number | undefined): Sample => ({
  count: 1_000,
  perSecond,
  p50Ms: 1,
  p99Ms: 2,
  cpuMs,
});
const cell: Cell = {
  scenario: SCENARIOS[0]!,
  connections: 16,
  rows: [
    { target: "bare relay", samples: [sample(100, 200), sample(1_000, 200), sample(200, 200)] },
    { target: "llm-proxy", samples: [sample(80, 300), sample(500, 400), sample(160, 200)] },
    { target: "nginx", samples: [sample(400, 10), sample(4_000, 10), sample(400, undefined)] },
  ],
};

const rowOf = (name: string): string[] => {
  const line = cellTable(cell)
    .split("\n")
    .find((row) => row.includes(`| ${name}`));
  return line!.split("|").map((text) => text.trim());
};

test("a row tells median, spread and CPU, and ratios within a round", () => {
  expect(rowOf("llm-proxy")).toEqual([
    "",
    "llm-proxy",
    "160",
    "80.0–500",
    "1.00",
    "2.00",
    "300",
    "0.80",
    "0.20",
    "",
  ]);
});

test("CPU time that is mostly rounding is not shown", () => {
  expect(rowOf("nginx")[6]).toBe("–");
});

test("the median of an even number of values lies between the middle ones", () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test("the results page names date, versions and memory", () => {
  const versions = [["bun", "9.9.9"]] as const;
  const page = resultsPage([cell], {
    date: "2030-01-02",
    rounds: 3,
    seconds: 2,
    versions,
    peakRssBytes: [["nginx", 2 ** 24]],
  });
  expect(page).toContain("# Benchmark of 2030-01-02");
  expect(page).toMatch(/\| bun +\| +9\.9\.9 \|/);
  expect(page).toMatch(/\| nginx +\| +16 \|/);
});
