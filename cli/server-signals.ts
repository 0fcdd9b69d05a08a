import type { App, Serving, StartFault } from "../src/app.ts";
import type { Result } from "../src/result.ts";
import { orRefuse } from "./server-fault.ts";

/** The signals and stray errors of a process: `process`, or an emitter in tests. */
export interface ProcessEvents {
  on(event: string, listener: (cause: unknown) => void): unknown;
  off(event: string, listener: (cause: unknown) => void): unknown;
}

/** Called in this order, each at most once. */
export interface Milestones {
  /** The port is open. */
  onServing(serving: Serving): void;
  onStopping(): void;
  /** Follows `onServing` in any case: all is written and closed. */
  onStopped(): void;
}

/**
 * Starts an app and serves. SIGTERM or SIGINT: running requests end, then it returns; a second one cuts them.
 * SIGHUP opens the log file anew, looks for another certificate and reads no settings. An error that nobody caught is logged and counted by the
 * app, and serving goes on: one request that went wrong must not end all others (bun.md section 10).
 * @throws {CommandError} if it cannot start
 */
export async function serveUntilStopped(
  start: () => Promise<Result<App, StartFault>>,
  events: ProcessEvents,
  milestones: Milestones,
): Promise<void> {
  const stopAsked = Promise.withResolvers<void>();
  let serving: Serving | undefined;
  let signals = 0;
  const stop = (): void => {
    signals += 1;
    stopAsked.resolve();
    if (signals > 1) void serving?.stop();
  };
  using listening = listen(events);
  listening.to("SIGTERM", stop);
  listening.to("SIGINT", stop);
  listening.to("SIGHUP", () => serving?.reload());

  const app = orRefuse(await start());
  listening.to("uncaughtException", (cause) => app.strayError(cause));
  listening.to("unhandledRejection", (cause) => app.strayError(cause));
  const served = signals > 0 ? undefined : app.serve();
  if (served === undefined || !served.ok) {
    await app.close();
    if (served !== undefined) orRefuse(served);
    return;
  }
  serving = served.value;
  try {
    milestones.onServing(serving);
    await stopAsked.promise;
    milestones.onStopping();
  } finally {
    await serving.stop();
    milestones.onStopped();
  }
}

function listen(events: ProcessEvents) {
  const stack = new DisposableStack();
  return {
    to(event: string, listener: (cause: unknown) => void): void {
      events.on(event, listener);
      stack.defer(() => events.off(event, listener));
    },
    [Symbol.dispose]: () => stack.dispose(),
  };
}
