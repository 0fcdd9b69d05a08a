import type { Stores } from "./app-stores.ts";
import type { Clock } from "./clock.ts";
import type { Logger } from "./logging/logger.ts";

interface LedgerWatchDeps {
  readonly ledgerRows: Stores["ledgerRows"];
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Much less than the silence after which others take this process for dead. */
const intervalMs = 5000;

/**
 * Tells the other processes on the database that this one lives, and closes what dead ones left open: now, so that a
 * restart finds its own past first, and every five seconds.
 * @returns stops it, when nothing of this process is open any more; resolves when the others know
 */
export function startLedgerWatch({ ledgerRows, logger, clock }: LedgerWatchDeps): () => Promise<void> {
  let running: Promise<void> | undefined;
  const turn = () => {
    running ??= ledgerRows
      .keepAlive(clock.now())
      .then((requests) => {
        if (requests > 0) logger.warn("requests of a process that died were closed as unknown", { requests });
      })
      .catch((error: unknown) => logger.error("the ledger cannot be written; it is tried again", { error }))
      .finally(() => {
        running = undefined;
      });
  };
  turn();
  const timer = setInterval(turn, intervalMs);
  return async () => {
    clearInterval(timer);
    await running;
    await ledgerRows.leave().catch((error: unknown) => logger.error("leaving the ledger failed", { error }));
  };
}
