import { fail, ok, type Result } from "../result.ts";
import type { Bound, LimitHit, LimitName } from "./limits.ts";
import {
  createRequestWindow,
  createTokenWindow,
  type RequestWindow,
  type TokenWindow,
  windowMs,
} from "./windows.ts";

/** What a request holds of the limits that are counted in this process: `rpm`, `tpm` and `max_concurrency`. */
export interface Place {
  /** Sets tokens aside for `tpm`, as many as the request may use; once. Refused, nothing is held of it. */
  reserveTokens(tokens: number, nowMs: number): LimitHit | undefined;
  /** The request is over: gives the place back. Once. */
  leave(): void;
  /** Counts the tokens that it used instead of those set aside; they may be known a little later. Once. */
  use(tokens: number, nowMs: number): void;
  /** As if it had never come: nothing was sent. Instead of both. */
  undo(): void;
}

export interface Gate {
  /**
   * Lets a request in where every bound has room for it, or takes nothing. Nothing here waits, so that counts are
   * exact. `nowMs` is monotonic.
   */
  enter(bounds: readonly Bound[], nowMs: number): Result<Place, LimitHit>;
  /** States that are remembered. */
  size(): number;
}

interface State {
  underWay: number;
  tokensReserved: number;
  readonly requests: RequestWindow;
  readonly tokens: TokenWindow;
}

/** States remembered before those are looked for that hold nothing any more. */
const statesBeforeSweep = 10_000;

/** The limits that one process counts by itself. A state is kept while it holds anything, 60 s after the last request at most. */
export function createGate(): Gate {
  const states = new Map<string, State>();
  let sweepAt = statesBeforeSweep;

  function stateOf({ id }: Bound): State {
    const known = states.get(id);
    if (known !== undefined) return known;
    const state = {
      underWay: 0,
      tokensReserved: 0,
      requests: createRequestWindow(),
      tokens: createTokenWindow(),
    };
    states.set(id, state);
    return state;
  }

  function sweep(nowMs: number): void {
    for (const [id, state] of states) if (isIdle(state, nowMs)) states.delete(id);
    sweepAt = Math.max(statesBeforeSweep, states.size * 2);
  }

  return {
    enter(bounds, nowMs) {
      // Before any state is taken in hand: one without a request would be swept away under it.
      if (states.size >= sweepAt) sweep(nowMs);
      const held = bounds.filter(isCounted).map((bound) => ({ bound, state: stateOf(bound) }));
      for (const { bound, state } of held) {
        const { rpm, maxConcurrency } = bound.limits;
        if (maxConcurrency !== null && state.underWay >= maxConcurrency)
          return fail(hit(bound, "max_concurrency", 1000));
        const waitMs = rpm === null ? 0 : state.requests.waitMs(rpm, nowMs);
        if (waitMs > 0) return fail(hit(bound, "rpm", waitMs));
      }
      for (const { bound, state } of held) {
        state.underWay++;
        if (bound.limits.rpm !== null) state.requests.add(nowMs);
      }
      return ok(placeIn(held, nowMs));
    },
    size: () => states.size,
  };
}

interface Held {
  readonly bound: Bound;
  readonly state: State;
}

function placeIn(held: readonly Held[], enteredMs: number): Place {
  const counting = held.filter(({ bound }) => bound.limits.tpm !== null);
  /** What was set aside in each of `counting`. */
  let reserved: readonly number[] = [];
  let hasLeft = false;
  let isCountedUp = false;

  function leave(): void {
    if (hasLeft) return;
    hasLeft = true;
    for (const { state } of held) state.underWay--;
  }

  /** Whether it is the first time. */
  function release(): boolean {
    if (isCountedUp) return false;
    isCountedUp = true;
    for (const [index, { state }] of counting.entries()) state.tokensReserved -= reserved[index] ?? 0;
    return true;
  }

  return {
    reserveTokens(tokens, nowMs) {
      // More than the whole limit could never pass; such a request has it for itself.
      const wanted = counting.map(({ bound }) => Math.min(tokens, bound.limits.tpm ?? tokens));
      for (const [index, { bound, state }] of counting.entries()) {
        const limit = bound.limits.tpm ?? Number.POSITIVE_INFINITY;
        const room = limit - state.tokensReserved - (wanted[index] ?? 0);
        if (state.tokens.used(nowMs) <= room) continue;
        // What is reserved may be given back any moment; nobody can tell when.
        return hit(bound, "tpm", room < 0 ? 1000 : state.tokens.waitMs(room, nowMs));
      }
      for (const [index, { state }] of counting.entries()) state.tokensReserved += wanted[index] ?? 0;
      reserved = wanted;
      return undefined;
    },
    leave,
    use(tokens, nowMs) {
      if (release()) for (const { state } of counting) state.tokens.add(tokens, nowMs);
    },
    undo() {
      leave();
      if (!release()) return;
      for (const { bound, state } of held) if (bound.limits.rpm !== null) state.requests.remove(enteredMs);
    },
  };
}

function isCounted({ limits }: Bound): boolean {
  return limits.rpm !== null || limits.tpm !== null || limits.maxConcurrency !== null;
}

function isIdle(state: State, nowMs: number): boolean {
  return (
    state.underWay === 0 &&
    state.tokensReserved === 0 &&
    state.requests.isEmpty(nowMs) &&
    state.tokens.used(nowMs) === 0
  );
}

function hit({ scope }: Bound, limit: LimitName, waitMs?: number): LimitHit {
  // Never longer than the window itself.
  return { scope, limit, ...(waitMs !== undefined && { retryAfterMs: Math.min(waitMs, windowMs + 1000) }) };
}
