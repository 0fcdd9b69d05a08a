import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Result } from "../result.ts";
import {
  durationMsMax,
  formatAddress,
  formatDuration,
  formatSize,
  parseAddress,
  parseBoolean,
  parseDecimal,
  parseDuration,
  parseInteger,
  parseSize,
} from "./units.ts";

function read<T>(result: Result<T, string>): T | undefined {
  return result.ok ? result.value : undefined;
}

// The inputs of CFG-102 with what each grammar makes of them; undefined is a refusal.
const inputs: Record<string, { integer?: number; duration?: number; size?: number; decimal?: number }> = {
  "0": { integer: 0, duration: 0, size: 0, decimal: 0 },
  "-1": {},
  "1.5": { decimal: 1.5 },
  "1e3": {},
  "0x10": {},
  "10k": {},
  "60": { integer: 60, size: 60, decimal: 60 },
  "60s": { duration: 60_000 },
  "1m": { duration: 60_000 },
  NaN: {},
  Infinity: {},
  "9007199254740992": {},
  "9007199254740991": { integer: 9007199254740991, size: 9007199254740991 },
  " 5": {},
  "5 ": {},
  "8o80": {},
  "010": {},
  "+5": {},
  "1_000": {},
  "٣": {},
  "": {},
};

describe("CFG-102", () => {
  test.each(Object.entries(inputs))(
    "%j is read by the documented grammar or refused, never guessed",
    (text, want) => {
      expect(read(parseInteger(text))).toBe(want.integer);
      expect(read(parseDuration(text))).toBe(want.duration);
      expect(read(parseSize(text))).toBe(want.size);
      expect(read(parseDecimal(text))).toBe(want.decimal);
    },
  );

  test.each(["1", "t", "true", "TRUE", "yes", "on", "On", "T"])("%j is true", (text) => {
    expect(read(parseBoolean(text))).toBe(true);
  });

  test.each(["0", "f", "false", "FALSE", "no", "off", "F"])("%j is false", (text) => {
    expect(read(parseBoolean(text))).toBe(false);
  });

  test.each(["flase", "", "2", " true", "truee", "null", "y", "constructor", "__proto__"])(
    "%j is no boolean",
    (text) => {
      expect(parseBoolean(text).ok).toBe(false);
    },
  );

  test("no text at all gives NaN, an infinity or a fraction where a whole number is wanted", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.eExXhmsKMGiB+ -]{0,12}$/)), (text) => {
        for (const parse of [parseInteger, parseDuration, parseSize]) {
          const value = read(parse(text));
          expect(value === undefined || Number.isSafeInteger(value)).toBe(true);
        }
        expect(Number.isFinite(read(parseDecimal(text)) ?? 0)).toBe(true);
      }),
    );
  });
});

describe("durations", () => {
  test.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    ["0.1h", 360_000],
    ["0.001s", 1],
    ["1h1ms", 3_600_001],
    ["0s", 0],
    ["596h", durationMsMax],
  ])("%s is %d ms", (text, ms) => {
    expect(read(parseDuration(text))).toBe(ms);
  });

  test.each([
    "30",
    "s",
    "1d",
    "30m1h",
    "1m1m",
    "-5s",
    "1h 30m",
    "0.1ms",
    "0.0001s",
    "0.0000001ms",
    "597h",
    "5S",
    "1us",
    ".5s",
    "5.s",
  ])("%s is refused", (text) => {
    expect(parseDuration(text).ok).toBe(false);
  });

  test("every number of milliseconds survives writing and reading", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: durationMsMax }), (ms) => {
        expect(read(parseDuration(formatDuration(ms)))).toBe(ms);
      }),
    );
  });

  test("bounds are named in their own unit", () => {
    expect(parseDuration("5s", { min: 10_000 })).toEqual({
      ok: false,
      error: "is too small: the least is 10s",
    });
    expect(parseDuration("2h", { max: 3_600_000 })).toEqual({
      ok: false,
      error: "is too large: the most is 1h",
    });
  });
});

describe("sizes", () => {
  test.each([
    ["10MB", 10_000_000],
    ["10MiB", 10_485_760],
    ["1kb", 1000],
    ["1KIB", 1024],
    ["512B", 512],
    ["1GiB", 1024 ** 3],
  ])("%s is %d bytes", (text, bytes) => {
    expect(read(parseSize(text))).toBe(bytes);
  });

  test.each(["10 MB", "10M", "1.5MB", "-1KB", "MB", "10MBB", "9007199254740991KB"])(
    "%s is refused",
    (text) => {
      expect(parseSize(text).ok).toBe(false);
    },
  );

  test("every number of bytes survives writing and reading", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 0, max: 20 }), (bytes, shift) => {
        const value = Math.floor(bytes / 2 ** 30) * 2 ** shift;
        expect(read(parseSize(formatSize(value)))).toBe(value);
      }),
    );
  });
});

describe("addresses", () => {
  test.each([
    [":8080", "0.0.0.0", 8080],
    ["127.0.0.1:0", "127.0.0.1", 0],
    ["[::1]:80", "::1", 80],
    ["localhost:8080", "localhost", 8080],
    ["my-host.example.com:65535", "my-host.example.com", 65_535],
  ])("%s is read", (text, hostname, port) => {
    expect(read(parseAddress(text))).toEqual({ hostname, port });
  });

  test.each([
    "8080",
    "8o80",
    ":8o80",
    ":65536",
    ":080",
    ":-1",
    ":",
    "localhost",
    "::1:80",
    "[::1]",
    "[127.0.0.1]:80",
    "127.1:80",
    "1.2.3.4.5:80",
    "256.0.0.1:80",
    "-x:80",
    "a..b:80",
    "http://x:80",
    "a b:80",
    `${"a".repeat(64)}:80`,
    " :80",
  ])("%j is refused", (text) => {
    expect(parseAddress(text).ok).toBe(false);
  });

  test("every address survives writing and reading", () => {
    const hosts = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(hosts, fc.integer({ min: 0, max: 65_535 }), (hostname, port) => {
        expect(read(parseAddress(formatAddress({ hostname, port })))).toEqual({ hostname, port });
      }),
    );
  });
});

test("an error never repeats the value, which may be a secret", () => {
  const text = "geheim-4711";
  for (const parse of [parseBoolean, parseInteger, parseDecimal, parseDuration, parseSize, parseAddress]) {
    expect(JSON.stringify(parse(text))).not.toContain(text);
  }
});
