import type { Fault } from "./faults.ts";

/** How an answer's bytes leave. */
export interface Delivery {
  readonly paceMs: number;
  readonly fault: Fault;
  /** Aborted when the client hangs up. */
  readonly signal: AbortSignal;
}

/** Waits, but not for a client that has gone. Never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

/**
 * Streams `pieces` one by one at the pace, with the fault's cut or silence.
 * A cut comes before the last piece at the latest, so that a cut answer is never whole.
 */
export function pacedBody(pieces: readonly Uint8Array[], delivery: Delivery): ReadableStream<Uint8Array> {
  const { fault, signal } = delivery;
  const paceMs = fault.paceMs ?? delivery.paceMs;
  const cutAt = fault.cutAfter === undefined ? undefined : Math.min(fault.cutAfter, pieces.length - 1);
  let sent = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (sent === fault.stallAfter) return new Promise<never>(() => {});
        if (sent > 0) await pause(paceMs, signal);
        if (sent === cutAt) {
          await pause(1, signal); // lets what was written leave before the connection is cut
          return controller.error(new Error("cut-after"));
        }
        const piece = pieces[sent];
        if (piece === undefined || signal.aborted) return controller.close();
        sent += 1;
        controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
}
