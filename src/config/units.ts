import { isIP } from "node:net";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";

/** Where to listen. `hostname` has no brackets; all interfaces are "0.0.0.0". Port 0 lets the system choose. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** Inclusive bounds of a number. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** Longest duration that a timer of the runtime can hold (2^31 - 1 ms), rounded down to whole hours: 596h. */
export const durationMsMax = 596 * 3_600_000;

const booleans = new Map(
  Object.entries({ true: true, t: true, yes: true, on: true, "1": true }).concat(
    Object.entries({ false: false, f: false, no: false, off: false, "0": false }),
  ),
);

// Largest first: the order in which a duration is written.
const durationUnits = [
  ["h", 3_600_000n],
  ["m", 60_000n],
  ["s", 1000n],
  ["ms", 1n],
] as const;
const durationPattern = new RegExp(
  `^${durationUnits.map(([unit]) => `(?:(\\d{1,12}(?:\\.\\d{1,9})?)${unit})?`).join("")}$`,
);

const sizeUnits = new Map([
  ["gib", 1024 ** 3],
  ["gb", 1000 ** 3],
  ["mib", 1024 ** 2],
  ["mb", 1000 ** 2],
  ["kib", 1024],
  ["kb", 1000],
  ["b", 1],
]);

/*
 * The grammar of values, the same for flags, environment and files. An error is the end of a sentence that
 * starts with the value: "is not a duration: write …". It never holds the value itself, which may be a secret.
 */

/** `true t yes on 1` and `false f no off 0`, in any case. */
export function parseBoolean(text: string): Result<boolean, string> {
  const value = booleans.get(text.toLowerCase());
  return value === undefined ? fail("is neither true nor false: write true or false") : ok(value);
}

/** Decimal digits without sign (but `-` where `min` is below 0), leading zeros, blanks or exponent; up to 2^53 - 1. */
export function parseInteger(text: string, bounds: Bounds = {}): Result<number, string> {
  const value = /^(?:0|-?[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) return fail("is not a whole number: write digits only, such as 100");
  return within(value, bounds, String);
}

/** Digits with an optional fraction: `0.7`. */
export function parseDecimal(text: string, bounds: Bounds = {}): Result<number, string> {
  if (!/^(?:0|[1-9]\d{0,8})(?:\.\d{1,9})?$/.test(text)) return fail("is not a number: write one such as 0.7");
  return within(Number(text), bounds, String);
}

/**
 * Milliseconds of a Go-style duration: `1h30m`, `250ms`, `1.5s`, plain `0`. Units h, m, s, ms, each at most once,
 * largest first. Finer than a millisecond, negative or above 596h is an error.
 */
export function parseDuration(text: string, bounds: Bounds = {}): Result<number, string> {
  const range = { min: 0, max: durationMsMax, ...bounds };
  if (text === "0") return within(0, range, formatDuration);
  const parts = text === "" ? null : durationPattern.exec(text);
  if (parts === null) return fail("is not a duration: write one such as 250ms, 30s, 1h30m or 0");
  // In billionths of a millisecond, as a fraction has up to nine digits.
  const total = durationUnits.reduce((sum, [, unitMs], index) => {
    const [whole = "0", fraction = ""] = (parts[index + 1] ?? "0").split(".");
    return sum + BigInt(whole + fraction.padEnd(9, "0")) * unitMs;
  }, 0n);
  if (total % 1_000_000_000n !== 0n) return fail("is finer than a millisecond: write whole milliseconds");
  return within(Number(total / 1_000_000_000n), range, formatDuration);
}

/** The shortest text that `parseDuration` reads as these milliseconds. */
export function formatDuration(ms: number): string {
  let rest = BigInt(ms);
  const text = durationUnits.map(([unit, unitMs]) => {
    const count = rest / unitMs;
    rest %= unitMs;
    return count === 0n ? "" : `${count}${unit}`;
  });
  return text.join("") || "0";
}

/** Bytes: digits alone, or with B, KB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024), in any case. */
export function parseSize(text: string, bounds: Bounds = {}): Result<number, string> {
  const match = /^(0|[1-9]\d*)([a-z]+)?$/i.exec(text);
  const factor = sizeUnits.get((match?.[2] ?? "b").toLowerCase());
  const value = match === null || factor === undefined ? Number.NaN : Number(match[1]) * factor;
  if (!Number.isSafeInteger(value)) return fail("is not a size: write bytes, or one such as 512KiB or 10MB");
  return within(value, bounds, formatSize);
}

/** The text with the largest binary unit that divides these bytes. */
export function formatSize(bytes: number): string {
  for (const [unit, name] of [
    [1024 ** 3, "GiB"],
    [1024 ** 2, "MiB"],
    [1024, "KiB"],
  ] as const) {
    if (bytes !== 0 && bytes % unit === 0) return `${bytes / unit}${name}`;
  }
  return String(bytes);
}

/** `:8080` (all interfaces), `127.0.0.1:0`, `localhost:8080`, `[::1]:80`. */
export function parseAddress(text: string): Result<Address, string> {
  const match = /^(?:\[(?<v6>[^\]]*)\]|(?<host>[^:[\]]*)):(?<port>\d+)$/.exec(text);
  const { v6, host = "", port = "" } = match?.groups ?? {};
  if (match === null || (v6 === undefined ? !isHost(host) : isIP(v6) !== 6)) {
    return fail("is not an address: write one such as :8080, 127.0.0.1:8080 or [::1]:8080");
  }
  const number = parseInteger(port, { max: 65_535 });
  if (!number.ok) return fail("has no valid port: write one from 0 to 65535");
  return ok({ hostname: v6 ?? (host || "0.0.0.0"), port: number.value });
}

/** The text that `parseAddress` reads as this address. */
export function formatAddress({ hostname, port }: Address): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

// A last label of digits makes a host an IPv4 address to every resolver, so it has to be a whole one.
function isHost(host: string): boolean {
  if (host === "" || isIP(host) === 4) return true;
  const labels = host.split(".");
  return (
    host.length <= 253 &&
    labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)) &&
    /[a-z]/i.test(labels.at(-1) ?? "")
  );
}

function within(
  value: number,
  { min = 0, max }: Bounds,
  format: (value: number) => string,
): Result<number, string> {
  if (value < min) return fail(`is too small: the least is ${format(min)}`);
  if (max !== undefined && value > max) return fail(`is too large: the most is ${format(max)}`);
  return ok(value);
}
