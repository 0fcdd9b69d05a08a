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

/** A deadline over one call to a provider; without any limit it is the client's own signal and costs nothing. */
export function createDeadline(client: AbortSignal, isLimited: boolean): Deadline {
  if (!isLimited) return { signal: client, arm: () => {}, hasExpired: () => false };
  const controller = new AbortController();
  let timer: Timer | undefined;
  let isOver = false;
  if (client.aborted) controller.abort();
  client.addEventListener("abort", () => controller.abort(), { once: true });
  return {
    signal: controller.signal,
    arm(ms) {
      clearTimeout(timer);
      timer =
        ms === 0
          ? undefined
          : setTimeout(() => {
              isOver = true;
              controller.abort();
            }, ms);
    },
    hasExpired: () => isOver,
  };
}
