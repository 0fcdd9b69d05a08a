import { constants, statSync } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../clock.ts";
import type { Database } from "./database.ts";
import { DatabaseFault, type DatabaseFaultCode } from "./database-fault.ts";

/** Whether the database can be written. */
export interface StorageHealth {
  /** `database_missing`: its file was deleted or another one put in its place. */
  readonly database: "ok" | "database_missing" | DatabaseFaultCode;
  /** `full`: there is less room than `freeBytesMin`, whether or not the database could still be written. */
  readonly disk: "ok" | "full";
  /** On the disk of the database, for this user. */
  readonly freeBytes: number;
}

interface ProbeDeps {
  readonly database: Pick<Database, "write">;
  /** Its file, which is there. */
  readonly path: string;
  readonly clock: Clock;
  /** Told where it could be written and cannot any more, or the other way round. */
  readonly onChange: (health: StorageHealth) => void;
}

const freeBytesMin = 1 << 20;
/** Whoever asks within this time gets the same answer, so that asking costs no more than one write in it. */
const freshMs = 2_000;

/** Asks whether the database can be written, by writing a page of it that says nothing. Never rejects. */
export function createProbe(deps: ProbeDeps): () => Promise<StorageHealth> {
  const { database, path, clock } = deps;
  const opened = statSync(path);
  let askedMs = Number.NEGATIVE_INFINITY;
  let last: Pick<StorageHealth, "database" | "disk"> = { database: "ok", disk: "ok" };
  let answer: Promise<StorageHealth> | undefined;

  /** @throws what the system or the database says */
  async function write(): Promise<StorageHealth["database"]> {
    const { dev, ino, birthtimeMs } = await stat(path);
    const isOther = dev !== opened.dev || ino !== opened.ino || birthtimeMs !== opened.birthtimeMs;
    if (isOther) return "database_missing";
    await access(path, constants.W_OK); // SQLite holds the file open, and may write what nobody else may any more
    await database.write([{ sql: "PRAGMA user_version = 0", values: [] }]);
    return "ok";
  }

  async function look(): Promise<StorageHealth> {
    const [state, freeBytes] = await Promise.all([write().catch(nameState), freeBytesOf(dirname(path))]);
    const disk = freeBytes < freeBytesMin ? "full" : "ok";
    const health = { database: state, disk, freeBytes } as const;
    if (health.database !== last.database || health.disk !== last.disk) deps.onChange(health);
    last = health;
    return health;
  }

  return () => {
    const nowMs = clock.monotonic();
    if (answer === undefined || nowMs - askedMs >= freshMs) {
      askedMs = nowMs;
      answer = look();
    }
    return answer;
  };
}

function nameState(fault: unknown): StorageHealth["database"] {
  if (fault instanceof DatabaseFault) return fault.code;
  switch ((fault as NodeJS.ErrnoException).code) {
    case "ENOENT":
    case "ENOTDIR":
      return "database_missing";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "database_readonly";
    default:
      return "database_io";
  }
}

async function freeBytesOf(directory: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch {
    return 0; // it is gone, as the database's own state says
  }
}
