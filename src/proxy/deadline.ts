import type { Deadline } from "./call.ts";

/** Waits that long, or until the signal aborts; never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const wake = () => resolve();
  signal.addEventListener("abort", wake, { once: true });
  if (signal.aborted) wake();
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
  });
}

/**
 * A deadline over one call to a provider; without any limit it is the client's own signal and costs nothing. `totalMs`
 * is over all of it, from now on; 0: that has no limit.
 */
export function createDeadline(client: AbortSignal, isLimited: boolean, totalMs: number): Deadline {
  let onStop: (() => void) | undefined;
  const atStop = (listener: () => void) => {
    onStop = listener;
  };
  const tell = () => {
    onStop?.();
    onStop = undefined;
  };
  if (!isLimited) return { signal: client, arm: () => {}, stop: tell, atStop, hasExpired: () => false };
  const controller = new AbortController();
  let isOver = false;
  if (client.aborted) controller.abort();
  client.addEventListener("abort", () => controller.abort(), { once: true });
  const expire = () => {
    isOver = true;
    controller.abort();
  };
  const start = (ms: number) => (ms === 0 ? undefined : setTimeout(expire, ms));
  const total = start(totalMs);
  let phase: Timer | undefined;
  return {
    signal: controller.signal,
    arm(ms) {
      clearTimeout(phase);
      phase = start(ms);
    },
    stop() {
      clearTimeout(phase);
      clearTimeout(total);
      tell();
    },
    atStop,
    hasExpired: () => isOver,
  };
}
