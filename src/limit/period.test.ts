import { expect, test } from "bun:test";
import fc from "fast-check";
import { budgetPeriods } from "./limits.ts";
import { periodAt } from "./period.ts";

const at = (text: string) => Date.parse(text);

const table = [
  ["day", "2026-11-25T23:59:59.999Z", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"],
  ["day", "2026-11-26T00:00:00.000Z", "2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z"],
  ["week", "2026-11-25T12:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"],
  ["week", "2026-11-29T23:59:59.999Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"],
  ["week", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"],
  ["month", "2026-12-31T23:59:59.999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"],
  ["month", "2028-02-29T10:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"],
] as const;

test.each(table)("the %s of %s begins at %s and ends at %s", (period, moment, start, end) => {
  expect(periodAt(period, at(moment))).toEqual({ startMs: at(start), endMs: at(end) });
});

test("each moment lies in its period, and the end of one is the start of the next", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...budgetPeriods),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2200-01-01") }),
      (period, date) => {
        const { startMs, endMs } = periodAt(period, date.getTime());
        expect(startMs).toBeLessThanOrEqual(date.getTime());
        expect(endMs).toBeGreaterThan(date.getTime());
        if (period !== "total") expect(periodAt(period, endMs).startMs).toBe(endMs);
      },
    ),
  );
});
