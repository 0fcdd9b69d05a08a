import { existsSync } from "node:fs";
import { inspect, migrationsOf } from "../src/app-database.ts";
import type { Loaded } from "../src/config/load.ts";
import { type Check, failed, good, warning } from "./doctor-check.ts";
import { faultLine } from "./server-fault.ts";

const seeDatabase = "See docs/database.md, which lists the code";
const seeEncryption = "See docs/encryption.md, which lists the code";
const damageShownMax = 5;

/** The database opens, is of this version and whole, and the encryption key opens what is sealed in it. */
export async function checkDatabase(loaded: Loaded): Promise<Check[]> {
  const name = "database";
  const { databasePath } = loaded.config;
  if (!existsSync(databasePath)) return [good(name, `${databasePath} is made at the first start`)];
  const status = await migrationsOf(loaded).status();
  if (!status.ok) return [failed(name, faultLine(status.error), seeDatabase)];
  const { applied, pending } = status.value;
  if (pending.length > 0) {
    const message = `${databasePath} lacks ${pending.length} migrations`;
    return [warning(name, message, "Back it up, then run llm-proxy migrate up; a start does so as well")];
  }
  const inspection = await inspect(loaded);
  if (!inspection.ok) return [failed(name, faultLine(inspection.error), seeDatabase)];
  const { damage, key } = inspection.value;
  if (damage.length > 0) {
    const message = `${databasePath} is damaged: ${damage.slice(0, damageShownMax).join("; ")}`;
    return [failed(name, message, "Stop every process that uses it and restore the file from a backup")];
  }
  const version = applied.at(-1)?.number ?? 0;
  return [good(name, `${databasePath} is whole, its version is ${version}`), describeKey(key)];
}

function describeKey(
  key: Extract<Awaited<ReturnType<typeof inspect>>, { readonly ok: true }>["value"]["key"],
): Check {
  const name = "encryption key";
  if (!key.ok) return failed(name, faultLine(key.error), seeEncryption);
  const found = { fits: "It opens what is sealed in the database", unused: "Nothing has been sealed yet" };
  return good(name, found[key.value]);
}
