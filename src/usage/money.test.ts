import { describe, expect, test } from "bun:test";
import { divideUp, formatUsd, parseUsd } from "./money.ts";

describe("parseUsd", () => {
  test.each([
    ["0", 0n],
    ["1", 1_000_000_000n],
    ["0.15", 150_000_000n],
    ["0.075", 75_000_000n],
    ["0.000000001", 1n],
    ["1.10", 1_100_000_000n],
    ["999999999.999999999", 999_999_999_999_999_999n],
  ])("%s", (text, nanoUsd) => {
    expect(parseUsd(text)).toEqual({ ok: true, value: nanoUsd });
  });

  const wrong = [
    "",
    " 1",
    "1 ",
    "-1",
    "+1",
    "1e3",
    "01",
    "1.",
    ".5",
    "1,5",
    "$1",
    "0x1",
    "NaN",
    "0.0000000001",
  ];
  test.each([...wrong, "1000000000", "١"])("%p is no amount", (text) => {
    expect(parseUsd(text)).toMatchObject({ ok: false, error: expect.stringContaining("is not an amount") });
  });
});

describe("formatUsd", () => {
  test.each([
    [0n, "0"],
    [1n, "0.000000001"],
    [19_500_000n, "0.0195"],
    [1_000_000_000n, "1"],
    [12_300_000_000n, "12.3"],
    [-500_000_000n, "-0.5"],
    [123_456_789_012_345_678_901_234_567_890n, "123456789012345678901.23456789"],
  ])("%p", (nanoUsd, text) => {
    expect(formatUsd(nanoUsd)).toBe(text);
  });

  test("what it writes is read as the same amount", () => {
    let amount = 1n;
    for (let step = 0; step < 200; step++) {
      amount = (amount * 6_364_136_223n + 1_442_695_041n) % 1_000_000_000_000_000_000n;
      expect(parseUsd(formatUsd(amount))).toEqual({ ok: true, value: amount });
    }
  });
});

test.each([
  [0n, 3n, 0n],
  [1n, 3n, 1n],
  [3n, 3n, 1n],
  [4n, 3n, 2n],
])("divideUp(%p, %p)", (numerator, denominator, quotient) => {
  expect(divideUp(numerator, denominator)).toBe(quotient);
});
