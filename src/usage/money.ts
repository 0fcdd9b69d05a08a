import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";

/** Nano-dollars in a dollar. Money is a whole number of them, in a bigint: sums are exact, in any order. */
export const nanoUsdPerUsd = 1_000_000_000n;

const fractionDigits = 9;

/**
 * Nano-dollars of a decimal text: `0.15`, `12`, `0.000000001`. Up to nine digits on either side of the point; no sign,
 * blanks, exponent or leading zeros. The error is the end of a sentence.
 */
export function parseUsd(text: string): Result<bigint, string> {
  const parts = /^(0|[1-9]\d{0,8})(?:\.(\d{1,9}))?$/.exec(text);
  if (parts === null)
    return fail("is not an amount in dollars: write digits such as 0.15, nine decimals at most");
  const [, whole = "", fraction = ""] = parts;
  return ok(BigInt(whole + fraction.padEnd(fractionDigits, "0")));
}

/** The shortest decimal text of these nano-dollars: `0.0195`, `0`, `-3`. Never rounded. */
export function formatUsd(nanoUsd: bigint): string {
  const digits = String(nanoUsd < 0n ? -nanoUsd : nanoUsd).padStart(fractionDigits + 1, "0");
  const fraction = digits.slice(-fractionDigits).replace(/0+$/, "");
  const text = digits.slice(0, -fractionDigits) + (fraction === "" ? "" : `.${fraction}`);
  return nanoUsd < 0n ? `-${text}` : text;
}

/** The least whole number that is not below `numerator / denominator`, for 0 or more over 1 or more. */
export function divideUp(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}
