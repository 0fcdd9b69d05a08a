import type { Clock } from "../clock.ts";

/** How a call to an upstream host went, as far as it tells of the host. */
export type Health =
  /** It answered. */
  | "good"
  /** It could not be reached, gave up, or said 502, 503 or 504. */
  | "bad"
  /** It tells nothing: the client went away, say. */
  | "unknown";

/** Keeps requests from a host that fails, so that both sides can recover. One circuit for each upstream host. */
export interface Breaker {
  /** undefined: go on, and tell how it went; else the circuit is open for that many ms more. */
  ask(origin: string): number | undefined;
  /** Follows each `ask` that said go on, once. */
  tell(origin: string, health: Health): void;
}

interface BreakerDeps {
  readonly clock: Clock;
  /** Failures within the window that it takes at the least; 0: no circuit ever opens. */
  readonly failuresMin: number;
  /** How long an open circuit stays so before one request may try. */
  readonly cooldownMs: number;
  readonly onChange: (origin: string, isOpen: boolean) => void;
}

const windowSeconds = 30;
/** Half of the calls of the window have to fail. */
const failureRateMin = 0.5;

/** What happened in one second. */
interface Slot {
  second: number;
  calls: number;
  failures: number;
}

interface Circuit {
  readonly slots: Slot[];
  /** Monotonic; undefined while closed. */
  openUntilMs: number | undefined;
  /** Half-open: one request is on its way to try. Should it hang, the next may after that; 0: none is. */
  tryUntilMs: number;
}

/** Closed, open, half-open, by the rate of failures over the last 30 s. Hosts come from the provider file only. */
export function createBreaker({ clock, failuresMin, cooldownMs, onChange }: BreakerDeps): Breaker {
  const circuits = new Map<string, Circuit>();

  function circuitOf(origin: string): Circuit {
    const known = circuits.get(origin);
    if (known !== undefined) return known;
    const slots = Array.from({ length: windowSeconds }, () => ({ second: -1, calls: 0, failures: 0 }));
    const circuit: Circuit = { slots, openUntilMs: undefined, tryUntilMs: 0 };
    circuits.set(origin, circuit);
    return circuit;
  }

  function count({ slots }: Circuit, isFailure: boolean): void {
    const second = Math.floor(clock.monotonic() / 1000);
    const slot = slots[second % windowSeconds];
    if (slot === undefined) return;
    if (slot.second !== second) Object.assign(slot, { second, calls: 0, failures: 0 });
    slot.calls++;
    if (isFailure) slot.failures++;
  }

  function hasFailed({ slots }: Circuit): boolean {
    const since = Math.floor(clock.monotonic() / 1000) - windowSeconds;
    const recent = slots.filter(({ second }) => second > since);
    const failures = recent.reduce((sum, slot) => sum + slot.failures, 0);
    const calls = recent.reduce((sum, slot) => sum + slot.calls, 0);
    return failures >= failuresMin && failures >= calls * failureRateMin;
  }

  function open(origin: string, circuit: Circuit): void {
    const wasClosed = circuit.openUntilMs === undefined;
    circuit.openUntilMs = clock.monotonic() + cooldownMs;
    if (wasClosed) onChange(origin, true);
  }

  function close(origin: string, circuit: Circuit): void {
    circuit.openUntilMs = undefined;
    for (const slot of circuit.slots) slot.second = -1;
    onChange(origin, false);
  }

  return {
    ask(origin) {
      const circuit = circuits.get(origin);
      if (circuit?.openUntilMs === undefined) return undefined;
      const leftMs = circuit.openUntilMs - clock.monotonic();
      if (leftMs > 0) return Math.max(leftMs, 1000);
      if (circuit.tryUntilMs > clock.monotonic()) return 1000;
      circuit.tryUntilMs = clock.monotonic() + cooldownMs;
      return undefined;
    },
    tell(origin, health) {
      if (failuresMin === 0) return;
      const circuit = circuitOf(origin);
      const isTrying = circuit.tryUntilMs > 0;
      circuit.tryUntilMs = 0;
      if (health === "unknown") return;
      const isBad = health === "bad";
      count(circuit, isBad);
      const isClosed = circuit.openUntilMs === undefined;
      if (isBad && (!isClosed || hasFailed(circuit))) open(origin, circuit);
      if (!isBad && isTrying) close(origin, circuit);
    },
  };
}
