import type { Clock } from "../clock.ts";
import { fail, ok, type Result } from "../result.ts";

/** How a call to an upstream host went, as far as it tells of the host. */
export type Health =
  /** It answered. */
  | "good"
  /** It could not be reached, gave up, or said 502, 503 or 504. */
  | "bad"
  /** It tells nothing: the client went away, say. */
  | "unknown";

/** Leave to call a host. Whoever has it tells once how the call went. */
export interface Leave {
  tell(health: Health): void;
}

/** Keeps requests from a host that fails, so that both sides can recover. One circuit for each upstream host. */
export interface Breaker {
  /** Leave to go on; else for how many ms more the circuit is open. */
  ask(origin: string): Result<Leave, number>;
  /** The circuit of each host that was asked for so far. */
  states(): readonly CircuitState[];
}

/** A host's circuit at one moment. */
export interface CircuitState {
  readonly origin: string;
  /** Half-open: the next request, or the one that is on its way, tries whether the host serves again. */
  readonly state: "closed" | "open" | "half_open";
  /** Of the last 30 s; tries of a circuit that is open do not count. */
  readonly failures: number;
  /** Until one request may try; 0 where it need not wait. */
  readonly retryAfterMs: number;
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

  function recent({ slots }: Circuit): Pick<Slot, "calls" | "failures"> {
    const since = Math.floor(clock.monotonic() / 1000) - windowSeconds;
    const within = slots.filter(({ second }) => second > since);
    const sum = (what: "calls" | "failures") => within.reduce((total, slot) => total + slot[what], 0);
    return { calls: sum("calls"), failures: sum("failures") };
  }

  function hasFailed(circuit: Circuit): boolean {
    const { calls, failures } = recent(circuit);
    return failures >= failuresMin && failures >= calls * failureRateMin;
  }

  function open(origin: string, circuit: Circuit): void {
    const wasClosed = circuit.openUntilMs === undefined;
    circuit.openUntilMs = clock.monotonic() + cooldownMs;
    if (wasClosed) onChange(origin, true);
  }

  function close(origin: string, circuit: Circuit): void {
    if (circuit.openUntilMs === undefined) return; // another one's trial was faster
    circuit.openUntilMs = undefined;
    for (const slot of circuit.slots) slot.second = -1;
    onChange(origin, false);
  }

  /** Leave while the circuit is closed; what is told after it has opened is of before and counts no more. */
  const regular = (origin: string, circuit: Circuit): Leave => ({
    tell(health) {
      if (health === "unknown" || circuit.openUntilMs !== undefined) return;
      count(circuit, health === "bad");
      if (health === "bad" && hasFailed(circuit)) open(origin, circuit);
    },
  });

  /** Leave for the one that tries a host anew. */
  const trial = (origin: string, circuit: Circuit): Leave => ({
    tell(health) {
      circuit.tryUntilMs = 0;
      if (health === "bad") open(origin, circuit);
      if (health === "good") close(origin, circuit);
    },
  });

  function stateOf(origin: string, circuit: Circuit): CircuitState {
    const { openUntilMs } = circuit;
    const { failures } = recent(circuit);
    if (openUntilMs === undefined) return { origin, state: "closed", failures, retryAfterMs: 0 };
    const retryAfterMs = Math.max(0, openUntilMs - clock.monotonic());
    return { origin, state: retryAfterMs > 0 ? "open" : "half_open", failures, retryAfterMs };
  }

  return {
    states: () => [...circuits].map(([origin, circuit]) => stateOf(origin, circuit)),
    ask(origin) {
      if (failuresMin === 0) return ok(unwatched);
      const circuit = circuitOf(origin);
      if (circuit.openUntilMs === undefined) return ok(regular(origin, circuit));
      const leftMs = circuit.openUntilMs - clock.monotonic();
      if (leftMs > 0) return fail(leftMs);
      if (circuit.tryUntilMs > clock.monotonic()) return fail(1000);
      circuit.tryUntilMs = clock.monotonic() + cooldownMs;
      return ok(trial(origin, circuit));
    },
  };
}

const unwatched: Leave = { tell: () => {} };
