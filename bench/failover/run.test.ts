import { expect, test } from "bun:test";
import { join } from "node:path";
import { readPlan } from "./plan.ts";

interface ResultJson {
  readonly target: string;
  readonly scenario: number;
  readonly isPass: boolean;
  readonly faults: readonly string[];
}

test("the binary passes every scenario; without it a program hangs, and nobody keeps books", async () => {
  const command = [process.execPath, join(import.meta.dirname, "run.ts")];
  const run = Bun.spawn([...command, "--fast", "--json", "--targets", "direct,llm-proxy"], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [said, told, code] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
    run.exited,
  ]);
  expect(said, told).toStartWith("{");

  const results = JSON.parse(said).results as readonly ResultJson[];
  const failed = results.filter(({ isPass }) => !isPass);
  expect(results).toHaveLength(32);
  expect(failed.filter(({ target }) => target === "llm-proxy")).toEqual([]);
  expect(failed.map(({ scenario }) => scenario)).toEqual([6, 16]);
  expect(code).toBe(0);
}, 30_000);

test("the command line picks scenarios and targets, and says what is wrong with it", () => {
  const { scenarios, targets, output } = readPlan(["--only", "8,5", "--targets", "direct"]);
  expect(scenarios.map(({ number }) => number)).toEqual([5, 8]);
  expect([targets, output]).toEqual([["direct"], undefined]);
  expect(readPlan([]).output).toEndWith("bench/results");
  expect(() => readPlan(["--only", "17"])).toThrow("--only 17 is none of 1, 2");
  expect(() => readPlan(["--slow"])).toThrow("usage: ");
});
