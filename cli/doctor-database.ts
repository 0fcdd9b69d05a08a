import { existsSync } from "node:fs";
import { join } from "node:path";
import { createApp, migrationsOf } from "../src/app.ts";
import type { Loaded } from "../src/config/load.ts";
import { type Check, failed, good, warning } from "./doctor-check.ts";
import { faultLine } from "./server-fault.ts";

/** The database opens, is of this version, and its provider keys open with the encryption key. */
export async function checkDatabase(loaded: Loaded): Promise<Check[]> {
  const name = "database";
  const { databasePath } = loaded.config;
  if (!existsSync(databasePath)) return [good(name, `${databasePath} is made at the first start`)];
  const status = await migrationsOf(loaded).status();
  if (!status.ok)
    return [failed(name, faultLine(status.error), "See docs/database.md, which lists the code")];
  const { applied, pending } = status.value;
  if (pending.length > 0) {
    const message = `${databasePath} lacks ${pending.length} migrations`;
    return [warning(name, message, "Back it up, then run llm-proxy migrate up; a start does so as well")];
  }
  const version = applied.at(-1)?.number ?? 0;
  return [good(name, `${databasePath} opens, its version is ${version}`), await checkEncryptionKey(loaded)];
}

async function checkEncryptionKey(loaded: Loaded): Promise<Check> {
  const name = "encryption key";
  const { encryptionKey, dataDir } = loaded.config;
  const keyFile = join(dataDir, "encryption.key");
  // Opening the database for use would make a key here.
  if (encryptionKey === undefined && !existsSync(keyFile)) {
    const message = `ENCRYPTION_KEY is not set and ${keyFile} is not there`;
    return warning(
      name,
      message,
      "If provider keys were stored before, put the key back; else a start makes one",
    );
  }
  const app = await createApp(silent(loaded), { offline: true });
  if (!app.ok) return failed(name, faultLine(app.error), "See docs/encryption.md, which lists the code");
  await app.value.close();
  return good(
    name,
    `${encryptionKey === undefined ? keyFile : "ENCRYPTION_KEY"} is the key of this database`,
  );
}

/** The same, but it writes neither log nor audit file. */
function silent(loaded: Loaded): Loaded {
  return {
    ...loaded,
    config: { ...loaded.config, logFile: undefined, logLevel: "error", auditEnabled: false },
  };
}
