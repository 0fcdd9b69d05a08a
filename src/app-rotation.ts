import { openLog } from "./app.ts";
import {
  type Base,
  keyringOf,
  openBase,
  orStartFault,
  type StartFault,
  wordStartFault,
} from "./app-stores.ts";
import type { Caller } from "./audit/entry.ts";
import type { LoadedSettings } from "./config/load.ts";
import type { Config } from "./config/settings.ts";
import { sealKeyCheck } from "./crypto/keyring.ts";
import { openAll, prepareRotation } from "./crypto/rotation.ts";
import { fail, ok, type Result } from "./result.ts";
import type { Secret } from "./secret.ts";
import { createProjectRepository } from "./storage/project-repository.ts";

/** What a rotation has done. */
export interface Rotation {
  /** Provider keys sealed anew. */
  readonly rotated: number;
  /** Where the key comes from, before and after. `setting`: it is to be changed there now. */
  readonly origin: "setting" | "file";
  /** The key file; of no account where the key comes from the setting. */
  readonly file: string;
}

const admin: Caller = {
  actor: "admin",
  requestId: "",
  correlationId: "",
  clientIp: "",
  method: "",
  path: "",
  userAgent: "",
};

/**
 * Seals every provider key under a new encryption key (cases.md SEC-109); on a fault nothing is changed. No server may
 * run on this database: it would go on sealing under the old key.
 * A key in a file is written aside, then the database is changed in one transaction, then the file is put in place;
 * each is on the disk before the next begins, and a start after the second does the third.
 * @param newKey base64 of 32 bytes; not given: one is made, if the present key comes from the file
 */
export async function rotateKeys(
  { config }: LoadedSettings,
  newKey: Secret | undefined,
): Promise<Result<Rotation, StartFault>> {
  const logger = openLog(config, true);
  if (!logger.ok) return logger;
  const base = await openBase({ config, logger: logger.value, isDurable: true });
  if (!base.ok) return base;
  const { audit, database } = base.value;
  try {
    const done = await orStartFault(() => rotate(config, base.value, newKey));
    if (done.ok)
      audit.record("keys.rotate", "success", admin, { details: { key_count: done.value.rotated } });
    else audit.record("keys.rotate", "failure", admin, { reason: done.error.code });
    return done;
  } finally {
    await audit.flush();
    await database.close();
    await logger.value.flush();
  }
}

async function rotate(
  config: Config,
  { database, keyring }: Base,
  newKey: Secret | undefined,
): Promise<Result<Rotation, StartFault>> {
  const projects = createProjectRepository(database);
  const opened = openAll(await projects.allKeys(), keyring.sealer);
  if (!opened.ok) return fail(wordStartFault(opened.error));
  const next = prepareRotation(keyring, newKey);
  if (!next.ok) return fail(wordStartFault(next.error));
  const resealed = await projects.reseal({
    keys: opened.value.map(({ row: { id, projectId, sealed }, text }) => ({
      id,
      before: sealed,
      after: next.value.seal(projectId, id, text),
    })),
    keyCheck: { before: keyring.check, after: sealKeyCheck(next.value) },
  });
  if (resealed === "changed_meanwhile") return fail(wordStartFault(changedMeanwhile));
  const { file } = keyring;
  const rotated = opened.value.length;
  if (keyring.origin === "setting") return ok({ rotated, origin: "setting", file });
  const inPlace = await keyringOf(config, database);
  return inPlace.ok ? ok({ rotated, origin: "file", file }) : fail(wordStartFault(inPlace.error));
}

const changedMeanwhile = {
  code: "keys_changed_meanwhile",
  message: "Another process changed provider keys while they were sealed anew",
  advice: "Nothing was changed: stop every server on this database and rotate again",
};
