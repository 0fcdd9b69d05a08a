import type { Stores } from "./app-stores.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config/settings.ts";
import type { Logger } from "./logging/logger.ts";
import { deleteOld } from "./storage/retention.ts";

interface HousekeepingDeps {
  readonly config: Pick<Config, "tokenCleanupIntervalMs" | "usageRetentionMs" | "auditRetentionMs">;
  readonly stores: Pick<Stores, "tokenRows" | "usageRows" | "auditRows">;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Where expired tokens are not looked for. */
const intervalMsDefault = 3_600_000;

/**
 * Switches expired tokens off and deletes records past their retention, now and every `TOKEN_CLEANUP_INTERVAL`. A turn
 * that lasts longer than that is not joined by another.
 * @returns stops it; resolves when nothing of it runs any more
 */
export function startHousekeeping({ config, stores, logger, clock }: HousekeepingDeps): () => Promise<void> {
  const stopping = new AbortController();
  const { tokenCleanupIntervalMs: intervalMs } = config;

  async function cut(
    rows: Parameters<typeof deleteOld>[0],
    retentionMs: number,
    what: string,
  ): Promise<void> {
    if (retentionMs === 0 || stopping.signal.aborted) return;
    const records = await deleteOld(rows, clock.now() - retentionMs, stopping.signal);
    if (records > 0) logger.info(`${what} past their retention were deleted`, { records });
  }

  async function clean(): Promise<void> {
    const tokens = intervalMs === 0 ? 0 : await stores.tokenRows.deactivateExpired(clock.now());
    if (tokens > 0) logger.info("expired tokens were switched off", { tokens });
    await cut(stores.usageRows, config.usageRetentionMs, "usage records");
    await cut(stores.auditRows, config.auditRetentionMs, "audit entries");
  }

  let running: Promise<void> | undefined;
  const turn = () => {
    running ??= clean()
      .catch((error: unknown) => logger.error("cleaning up failed; it is tried again", { error }))
      .finally(() => {
        running = undefined;
      });
  };
  turn();
  const timer = setInterval(turn, intervalMs === 0 ? intervalMsDefault : intervalMs);
  return async () => {
    clearInterval(timer);
    stopping.abort();
    await running;
  };
}
