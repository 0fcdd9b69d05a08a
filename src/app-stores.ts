import { randomBytes } from "node:crypto";
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { sqliteMigrations } from "../migrations/index.ts";
import type { AuditDetails } from "./audit/entry.ts";
import type { AuditSink } from "./audit/repository.ts";
import { type Audit, createAudit } from "./audit/service.ts";
import { createForeignWatch } from "./cache/foreign-watch.ts";
import { createGrantCache } from "./cache/grant-cache.ts";
import { createKeyCache } from "./cache/key-cache.ts";
import { systemClock } from "./clock.ts";
import type { LoadedProviders } from "./config/load.ts";
import type { Config } from "./config/settings.ts";
import { type Keyring, loadKeyring } from "./crypto/keyring.ts";
import type { Logger } from "./logging/logger.ts";
import { redact } from "./logging/redact.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { createProjects } from "./project/service.ts";
import { createKeyPool } from "./proxy/key-pool.ts";
import { fail, ok, type Result } from "./result.ts";
import { createAuditFile } from "./storage/audit-file.ts";
import { createAuditRepository } from "./storage/audit-repository.ts";
import type { Database } from "./storage/database.ts";
import { DatabaseFault } from "./storage/database-fault.ts";
import { createKeyCheckStore } from "./storage/key-check.ts";
import { createLedger } from "./storage/ledger.ts";
import { createLedgerRepository } from "./storage/ledger-repository.ts";
import { migrate } from "./storage/migrate.ts";
import { isProcessAlive } from "./storage/nodes.ts";
import { openDatabase } from "./storage/open.ts";
import { createProjectRepository } from "./storage/project-repository.ts";
import { createTokenRepository } from "./storage/token-repository.ts";
import { createUsageRepository } from "./storage/usage-repository.ts";
import { createUsageSummary } from "./storage/usage-summary.ts";
import { createTokens } from "./token/service.ts";
import type { UsageSummary } from "./usage/summary.ts";

/** Why the start is refused: what is wrong, and what to do. */
export interface StartFault {
  readonly code: string;
  readonly message: string;
}

interface Fault {
  readonly code: string;
  readonly message: string;
  readonly advice: string;
}

/** One text out of a fault and its advice. */
export function wordStartFault({ code, message, advice }: Fault): StartFault {
  return { code, message: `${message}. ${advice}` };
}

interface StoreDeps extends Pick<LoadedProviders, "providers"> {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Makes an id of an object: a UUID v4. */
export const newId = (): string => crypto.randomUUID();

/**
 * Makes an id of a request: a UUID v7. It begins with the time, so that the rows of one flush lie side by side in
 * the index; random ones touched a page each, and writing those pages was a fifth of a request's cost.
 */
export const newRequestId = (): string => Bun.randomUUIDv7();

/** Opens the stores; on a fault all is closed again. */
export async function openStores(deps: StoreDeps): Promise<Result<Stores, StartFault>> {
  const base = await openBase({ ...deps, onAuditFailed: (...failed) => deps.metrics.auditFailed(...failed) });
  return base.ok ? ok(createServices(deps, base.value)) : base;
}

export type Stores = ReturnType<typeof createServices>;

/** What everything else stands on. */
export interface Base {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly audit: Audit;
}

interface BaseDeps extends Pick<StoreDeps, "config" | "logger"> {
  /** Each commit is on the disk before it is confirmed. Default false. */
  readonly isDurable?: boolean;
  readonly onAuditFailed?: (sink: string, entries: number) => void;
}

/** Opens the database, migrates it, finds its encryption key and opens the audit trail; on a fault all is closed again. */
export async function openBase({ config, logger, isDurable = false, onAuditFailed }: BaseDeps) {
  return await orStartFault(async (): Promise<Result<Base, StartFault>> => {
    const opened = openDatabase({ path: config.databasePath, isDurable });
    if (!opened.ok) return fail(wordStartFault(opened.error));
    const database = opened.value;
    const refuse = async (fault: Fault) => {
      await database.close();
      return fail(wordStartFault(fault));
    };
    const migrated = await migrate(database, sqliteMigrations, systemClock);
    if (!migrated.ok) return refuse(migrated.error);
    for (const { number, name } of migrated.value) logger.info("migration applied", { number, name });
    const keyring = await keyringOf(config, database);
    if (!keyring.ok) return refuse(keyring.error);
    tellOrigin(keyring.value, logger);
    const audit = openAudit(config, database, (sink, entries, error) => {
      onAuditFailed?.(sink, entries);
      logger.error("audit entries could not be written", { sink, entries, error });
    });
    return audit.ok ? ok({ database, keyring: keyring.value, audit: audit.value }) : refuse(audit.error);
  });
}

/** The key that the settings name, checked against this database. */
export function keyringOf(config: Config, database: Database) {
  return loadKeyring({
    encryptionKey: config.encryptionKey,
    dataDir: config.dataDir,
    isRequired: config.requireEncryptionKey,
    keyChecks: createKeyCheckStore(database),
  });
}

function tellOrigin({ origin, file }: Keyring, logger: Logger): void {
  if (origin === "made")
    logger.warn("an encryption key was made: back it up, no provider key can be read without it", { file });
  if (origin === "moved")
    logger.warn("a rotation that was cut short is finished: the new encryption key is in place, back it up", {
      file,
    });
}

/** Does `work`; a fault of the database is given instead of thrown. */
export async function orStartFault<T>(
  work: () => Promise<Result<T, StartFault>>,
): Promise<Result<T, StartFault>> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DatabaseFault) return fail(wordStartFault(error));
    throw error;
  }
}

function openAudit(
  config: Config,
  database: Database,
  onFailure: (sink: string, entries: number, error: unknown) => void,
) {
  const sinks: AuditSink[] = [];
  const repository =
    config.auditStoreInDb && config.auditEnabled ? createAuditRepository(database) : undefined;
  if (repository !== undefined) sinks.push(withoutSecrets(repository));
  if (config.auditEnabled && config.auditLogFile !== undefined) {
    const file = createAuditFile({ path: config.auditLogFile, createsDirectory: config.auditCreateDir });
    if (!file.ok) return file;
    sinks.push(withoutSecrets(file.value));
  }
  return ok(createAudit({ sinks, repository, clock: systemClock, newId, onFailure }));
}

/** A token that stands in a path, in the name of a field, or where an id belongs, must not get into the trail. */
function withoutSecrets({ name, append }: AuditSink): AuditSink {
  return {
    name,
    append: (batch) =>
      append(
        batch.map((entry) => ({
          ...entry,
          path: redact(entry.path),
          tokenId: redact(entry.tokenId),
          projectId: redact(entry.projectId),
          details: withoutSecretTexts(entry.details),
        })),
      ),
  };
}

function withoutSecretTexts(details: AuditDetails): AuditDetails {
  const texts = Object.entries(details).map(([name, value]) => [
    name,
    typeof value === "string" ? redact(value) : value,
  ]);
  return Object.fromEntries(texts);
}

/** Numbers of processes are told apart within one of these: a container has its own. */
function machineName(): string {
  try {
    return `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname(); // no Linux
  }
}

function createServices(
  { config, providers, logger, metrics }: StoreDeps,
  { database, keyring, audit }: Base,
) {
  const { sealer } = keyring;
  const projectRows = createProjectRepository(database);
  const tokenRows = createTokenRepository(database);
  const usageRows = createUsageRepository(database);
  const auditRows = createAuditRepository(database);
  const ledgerRows = createLedgerRepository(database, {
    id: newId(),
    host: machineName(),
    pid: process.pid,
    isAlive: isProcessAlive,
  });
  const ledger = createLedger({
    repository: ledgerRows,
    waitingMax: config.usageStatsBufferSize,
    onFlushFailed(error) {
      metrics.usageFlushFailed();
      logger.error("usage records could not be written and are kept for the next try", { error });
    },
    onDropped: (records) => metrics.usageDropped(records),
  });
  const grants = createGrantCache({
    tokens: tokenRows,
    projects: projectRows,
    clock: systemClock,
    entriesMax: config.activeCacheMax,
    ttlMs: config.activeCacheTtlMs,
  });
  const keys = createKeyCache({
    projects: projectRows,
    sealer,
    clock: systemClock,
    entriesMax: config.apiKeyCacheMax,
    ttlMs: config.apiKeyCacheTtlMs,
  });
  const changes = {
    tokenChanged: (id: string) => grants.forgetToken(id),
    projectChanged(id: string) {
      grants.forgetProject(id);
      keys.forgetProject(id);
    },
  };
  const noticeForeignWrites = createForeignWatch({
    version: () => database.foreignVersion(),
    clock: systemClock,
    onChange() {
      grants.forgetAll();
      keys.forgetAll();
    },
  });
  const common = { audit, clock: systemClock, newId, changes };
  const keyPool = createKeyPool({ clock: systemClock });
  const { restOf } = keyPool;
  const projects = createProjects({ ...common, repository: projectRows, providers, sealer, restOf });
  const tokens = createTokens({
    ...common,
    repository: tokenRows,
    projects: projectRows,
    random: randomBytes,
    settleCounts: () => ledger.flush(),
  });
  /** Reads see what has been recorded before them. */
  const usage: Pick<typeof usageRows, "list" | "find"> = {
    list: async (filter, page) => {
      await ledger.flush();
      return usageRows.list(filter, page);
    },
    find: async (requestId) => {
      await ledger.flush();
      return usageRows.find(requestId);
    },
  };
  const sums = createUsageSummary(database);
  const summary: UsageSummary = {
    sum: async (...asked) => {
      await ledger.flush();
      return sums.sum(...asked);
    },
  };
  return {
    database,
    audit,
    projects,
    tokens,
    usage,
    summary,
    ledger,
    ledgerRows,
    usageRows,
    auditRows,
    tokenRows,
    grants,
    keys,
    keyPool,
    noticeForeignWrites,
    /** Writes what is in memory, then closes; a step that fails does not keep the next from being done. */
    async close(): Promise<void> {
      await using steps = new AsyncDisposableStack(); // the last one first
      steps.defer(() => database.close());
      steps.defer(() => audit.flush());
      steps.defer(() => ledger.stop());
    },
  };
}
