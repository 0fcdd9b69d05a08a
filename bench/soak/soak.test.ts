import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holds, percentile } from "./load.ts";
import { readPlan } from "./plan.ts";
import { missed, resultTable } from "./report.ts";

const figure = { name: "close", unit: "ms", measured: 12.34, max: 10 } as const;
const result = { name: "leave", caseId: "TMO-103", load: "20 clients leave", seconds: 1, figures: [figure] };

test("a figure holds up to its bound, and never where it could not be measured", () => {
  expect(holds({ ...figure, measured: 10 })).toBe(true);
  expect(holds(figure)).toBe(false);
  expect(holds({ ...figure, measured: Number.NaN })).toBe(false);
  expect(holds({ name: "told", unit: "", measured: 1e9 })).toBe(true);
});

test("percentiles are values that were there", () => {
  expect([0, 0.5, 0.99, 1].map((share) => percentile([3, 1, 2, 4], share))).toEqual([1, 2, 4, 4]);
  expect(percentile([], 0.5)).toBeNaN();
});

test("what is over its bound, and a load that failed, are counted and shown", () => {
  const failed = { ...result, figures: [], fault: "No request at the provider within 5 ms" };
  expect(missed([result, failed, { ...result, figures: [{ ...figure, measured: 1 }] }])).toBe(2);
  expect(resultTable(result)).toBe("leave (TMO-103): 20 clients leave\n  close  12 ms  at most 10  OVER");
  expect(resultTable(failed)).toContain("FAILED: No request at the provider");
});

test("the plan takes names of loads, and says which there are", () => {
  const plan = readPlan(["--quick", "--only", "upload,hang-ups"]);
  expect(plan.loads.map(({ name }) => name)).toEqual(["hang-ups", "upload"]);
  expect(plan).toMatchObject({ scale: "quick", output: undefined });
  expect(readPlan([]).output).toEndWith("bench/results");
  for (const args of [["--only", "nothing"], ["--minutes", "0"], ["--what"]])
    expect(() => readPlan(args)).toThrow("--only NAMES  of these loads: added-delay, hang-ups,");
});

test("a run prints its figures, writes them as JSON and names no place of the machine", async () => {
  const output = mkdtempSync(join(tmpdir(), "llm-proxy-soak-test-"));
  try {
    const script = join(import.meta.dirname, "run.ts");
    const args = ["--quick", "--only", "upload", "--output", output];
    const run = Bun.spawn([process.execPath, script, ...args], { stdout: "pipe", stderr: "pipe" });
    const [said, complained, code] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    expect({ code, complained }).toEqual({ code: 0, complained: "" });
    expect(said).toContain("All figures are within their bounds");
    const [file] = readdirSync(output);
    expect(file).toMatch(/^\d{4}-\d\d-\d\d-soak\.json$/);
    const text = await Bun.file(join(output, file!)).text();
    expect(JSON.parse(text).results[0]).toMatchObject({ name: "upload", caseId: "RES-103" });
    expect(text).not.toContain(tmpdir());
  } finally {
    rmSync(output, { recursive: true });
  }
}, 60_000);
