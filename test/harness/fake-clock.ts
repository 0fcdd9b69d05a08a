import type { Clock } from "../../src/clock.ts";

/** A clock that moves only when it is told to. */
export interface FakeClock extends Clock {
  /** Moves both readings forward. */
  advance(ms: number): void;
  /** Sets the wall clock only, backwards as well, as a time server would. */
  setNow(epochMs: number): void;
}

/** @param startMs wall clock at the start, milliseconds since the epoch */
export function createFakeClock(startMs = Date.UTC(2030, 0, 1)): FakeClock {
  let nowMs = startMs;
  let monotonicMs = 0;
  return {
    now: () => nowMs,
    monotonic: () => monotonicMs,
    advance(ms) {
      nowMs += ms;
      monotonicMs += ms;
    },
    setNow(epochMs) {
      nowMs = epochMs;
    },
  };
}
