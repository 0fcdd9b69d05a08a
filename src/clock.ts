/** The only reader of time outside the runtime. All times are milliseconds. */
export interface Clock {
  /** Wall clock: milliseconds since the epoch, UTC. For what is stored and shown. */
  now(): number;
  /** Monotonic: milliseconds with fraction since an arbitrary start. For durations; never goes back. */
  monotonic(): number;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
