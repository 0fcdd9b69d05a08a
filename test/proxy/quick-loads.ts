import { expect, test } from "bun:test";
import { openLab } from "../../bench/soak/lab.ts";
import { type Figure, holds, type Load } from "../../bench/soak/load.ts";
import { binaryPath } from "../harness/proxy-process.ts";

/** What machines that are busy may take longer. */
const slowness = 3;

/** One test for each load of `make soak`, at its quick size, against the binary: every figure must be within its bound. */
export function testLoads(loads: readonly Load[]): void {
  for (const load of loads) {
    test(`${load.caseId} ${load.name}: ${load.describe("quick")}`, async () => {
      await using lab = await openLab(binaryPath());
      const figures = await load.run(lab, "quick");
      expect(figures.some(({ max }) => max !== undefined)).toBe(true);
      expect(figures.filter((figure) => !holds(withSlowness(figure)))).toEqual([]);
    }, 60_000);
  }
}

function withSlowness(figure: Figure): Figure {
  const isTime = figure.unit === "ms" && figure.max !== undefined;
  return isTime ? { ...figure, max: figure.max * slowness } : figure;
}
