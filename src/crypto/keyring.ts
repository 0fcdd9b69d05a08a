import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fail, ok, type Result } from "../result.ts";
import { Secret } from "../secret.ts";
import type { KeyringFault } from "./key-fault.ts";
import { makeKeyFile, moveKeyFile, onKeyFile, parseKey, readKeyFile } from "./key-file.ts";
import { createSealer, keyBytes, type Sealer } from "./seal.ts";

/** The key that this data is sealed under, ready for use. */
export interface Keyring {
  readonly sealer: Sealer;
  /**
   * Where the key came from. `made`: it was made just now, and its file should be backed up; `moved`: its file was put
   * in place just now, which a rotation that was cut short had not come to.
   */
  readonly origin: "setting" | "file" | "made" | "moved";
  /** The key file; not read where the key comes from the setting. */
  readonly file: string;
  /** The key check that the key opens. */
  readonly check: string;
}

/** Where the key check is kept; fulfilled by storage/key-check.ts. */
interface KeyChecks {
  read(): Promise<string | undefined>;
  writeFirst(sealed: string): Promise<string>;
}

interface KeyringDeps {
  /** `ENCRYPTION_KEY`: base64 of 32 bytes; white space around it is passed over. */
  readonly encryptionKey: Secret | undefined;
  /** Where `encryption.key` is, or is made on the first start. */
  readonly dataDir: string;
  /** `REQUIRE_ENCRYPTION_KEY`: only the setting will do. */
  readonly isRequired: boolean;
  readonly keyChecks: KeyChecks;
  /** Leaves `encryption.key.new` where it is, even if it is the right one. Default false. */
  readonly isLookOnly?: boolean;
}

const fileName = "encryption.key";
const checkText = new Secret("llm-proxy key check");

/**
 * Finds the encryption key: the setting, else the file, else a new one, which is made only where nothing has ever
 * been sealed in this database. The key check tells whether the key is the one that the data was sealed under
 * (cases.md SEC-109). Finishes a rotation that was cut short before the new file was in its place.
 */
export async function loadKeyring(deps: KeyringDeps): Promise<Result<Keyring, KeyringFault>> {
  const file = join(deps.dataDir, fileName);
  const checkBefore = await deps.keyChecks.read();
  const found = findKey(deps, file, checkBefore !== undefined);
  if (!found.ok) return found;
  const { key, origin } = found.value;
  const sealer = createSealer(key);
  const check = checkBefore ?? (await deps.keyChecks.writeFirst(sealKeyCheck(sealer)));
  if (opensKeyCheck(sealer, check)) return ok({ sealer, origin, file, check });
  if (origin === "setting") return fail(wrongKey(origin, file));
  return onKeyFile(file, () => finishRotation(file, check, deps.isLookOnly ?? false));
}

/** Where the new key waits until all is sealed under it. */
export function newKeyFile(file: string): string {
  return `${file}.new`;
}

/** The key check of a sealer: a known text, sealed. */
export function sealKeyCheck(sealer: Sealer): string {
  return sealer.seal("", "key-check", checkText);
}

/** Whether the key check was sealed under the key of this sealer. */
export function opensKeyCheck(sealer: Sealer, check: string): boolean {
  return sealer.open("", "key-check", check).ok;
}

type Found = Result<{ key: Uint8Array; origin: Keyring["origin"] }, KeyringFault>;

function findKey(deps: KeyringDeps, file: string, hasSealed: boolean): Found {
  if (deps.encryptionKey !== undefined)
    return foundIn(deps.encryptionKey.reveal(), "ENCRYPTION_KEY", "setting");
  if (deps.isRequired)
    return fail({
      code: "encryption_key_required",
      message: "REQUIRE_ENCRYPTION_KEY is on, and ENCRYPTION_KEY is not set",
      advice: "Set ENCRYPTION_KEY to 32 random bytes in base64, for example from: openssl rand -base64 32",
    });
  return onKeyFile(file, () => {
    const text = readKeyFile(file);
    if (text !== undefined) return foundIn(text, file, "file");
    if (hasSealed)
      return fail({
        code: "encryption_key_missing",
        message: `The database holds sealed provider keys, but ENCRYPTION_KEY is not set and ${file} does not exist`,
        advice: "Set ENCRYPTION_KEY to the key used before, or put the key file back from a backup",
      });
    makeKeyFile(file, randomBytes(keyBytes));
    return foundIn(readKeyFile(file) ?? "", file, "made"); // another process may have been faster
  });
}

function foundIn(text: string, source: string, origin: Keyring["origin"]): Found {
  const key = parseKey(text, source);
  return key.ok ? ok({ key: key.value, origin }) : key;
}

/** Between the last two steps of a rotation the database is sealed under the new key, and its file waits aside. */
function finishRotation(file: string, check: string, isLookOnly: boolean): Result<Keyring, KeyringFault> {
  const text = readKeyFile(newKeyFile(file));
  if (text === undefined) return fail(wrongKey("file", file));
  const key = parseKey(text, newKeyFile(file));
  if (!key.ok) return key;
  const sealer = createSealer(key.value);
  if (!opensKeyCheck(sealer, check)) return fail(wrongKey("file", `${file}, like ${newKeyFile(file)},`));
  if (!isLookOnly) moveKeyFile(newKeyFile(file), file);
  return ok({ sealer, origin: "moved", file, check });
}

function wrongKey(origin: "setting" | "file", file: string): KeyringFault {
  const source = origin === "setting" ? "ENCRYPTION_KEY" : file;
  const alternative =
    origin === "setting"
      ? `set the key used last, or unset it if ${file} was used`
      : "put the right file back";
  return {
    code: "encryption_key_wrong",
    message: `${source} is not the key that the provider keys in the database were sealed with`,
    advice: `Nothing was changed: ${alternative}`,
  };
}
