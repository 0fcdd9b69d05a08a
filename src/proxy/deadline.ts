import type { Deadline } from "./call.ts";

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
