import { fail, ok, type Result } from "../result.ts";

/** What goes wrong with one answer. The fields combine; positions count server-sent events (a JSON answer has two halves). */
export interface Fault {
  /** Answer with this error status and the dialect's own error shape. */
  readonly status?: number;
  /** `Retry-After` in seconds. */
  readonly retryAfterS?: number;
  /** Silence before the headers. */
  readonly delayMs?: number;
  /** Time between events, instead of the server's pace. */
  readonly paceMs?: number;
  /** The connection is cut after so many events, without a proper end. */
  readonly cutAfter?: number;
  /** Silence for ever after so many events. */
  readonly stallAfter?: number;
}

/** Where a fault may be asked for, first wins: this header, this query parameter, the model's name. */
export const FAULT_HEADER = "x-mock-fault";
/** The query parameter of {@link FAULT_HEADER}. */
export const FAULT_QUERY = "mock-fault";

const KEYS: Readonly<Record<string, (text: string) => Fault | undefined>> = {
  status: (text) => whole(text, 400, 599, (status) => ({ status })),
  "retry-after": (text) => whole(text, 0, 86_400, (retryAfterS) => ({ retryAfterS })),
  delay: (text) => duration(text, (delayMs) => ({ delayMs })),
  pace: (text) => duration(text, (paceMs) => ({ paceMs })),
  "cut-after": (text) => whole(text, 0, 1_000_000, (cutAfter) => ({ cutAfter })),
  "stall-after": (text) => whole(text, 0, 1_000_000, (stallAfter) => ({ stallAfter })),
};

const MODELS: Readonly<Record<string, Fault>> = {
  "mock-slow": { delayMs: 3_000 },
  "mock-cut": { cutAfter: 3 },
  "mock-stall": { stallAfter: 3 },
};

/**
 * Reads `key=value` pairs parted by `;`: `status=429;retry-after=2`, `delay=500ms`, `cut-after=3`.
 * Durations are `500ms` or `2s`. The error is a sentence for the caller.
 */
export function parseFault(text: string): Result<Fault, string> {
  let fault: Fault = {};
  for (const pair of text.split(";").filter((part) => part.trim() !== "")) {
    const [key = "", value = ""] = pair.split("=").map((part) => part.trim());
    const read = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (read === undefined) return fail(`Unknown fault '${key}'; known are ${Object.keys(KEYS).join(", ")}`);
    const part = read(value);
    if (part === undefined) return fail(`Fault '${key}' cannot be '${value}'`);
    fault = { ...fault, ...part };
  }
  return ok(fault);
}

/** The fault that a model's name asks for: `mock-429` (any error status), `mock-slow`, `mock-cut`, `mock-stall`. */
export function faultOfModel(model: unknown): Fault {
  if (typeof model !== "string") return {};
  const status = /^mock-([45]\d\d)$/.exec(model)?.[1];
  if (status !== undefined) return { status: Number(status) };
  return Object.hasOwn(MODELS, model) ? (MODELS[model] ?? {}) : {};
}

function whole(text: string, least: number, most: number, make: (value: number) => Fault): Fault | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? make(value) : undefined;
}

function duration(text: string, make: (ms: number) => Fault): Fault | undefined {
  const [, digits, unit] = /^(\d{1,6})(ms|s)$/.exec(text) ?? [];
  return digits === undefined ? undefined : make(Number(digits) * (unit === "s" ? 1000 : 1));
}
