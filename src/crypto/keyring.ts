import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fail, ok, type Result } from "../result.ts";
import { Secret } from "../secret.ts";
import { createSealer, keyBytes, type Sealer } from "./seal.ts";

/** The key that this data is sealed under, ready for use. */
export interface Keyring {
  readonly sealer: Sealer;
  /** Where the key came from; `made`: it was made just now, and its file should be backed up. */
  readonly origin: "setting" | "file" | "made";
  /** The key file; not read where the key comes from the setting. */
  readonly file: string;
}

/** Why there is no usable key; `message` says what is wrong, `advice` what to do. Nothing was changed then. */
export interface KeyringFault {
  readonly code:
    | "encryption_key_required"
    | "encryption_key_missing"
    | "encryption_key_malformed"
    | "encryption_key_wrong"
    | "encryption_key_unusable";
  readonly message: string;
  readonly advice: string;
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
}

const fileName = "encryption.key";
const checkText = new Secret("llm-proxy key check");

/**
 * Finds the encryption key: the setting, else the file, else a new one, which is made only where nothing has ever
 * been sealed in this database. The key check tells whether the key is the one that the data was sealed under
 * (cases.md SEC-109).
 */
export async function loadKeyring(deps: KeyringDeps): Promise<Result<Keyring, KeyringFault>> {
  const file = join(deps.dataDir, fileName);
  const checkBefore = await deps.keyChecks.read();
  const found = findKey(deps, file, checkBefore !== undefined);
  if (!found.ok) return found;
  const { key, origin } = found.value;
  const sealer = createSealer(key);
  const check = checkBefore ?? (await deps.keyChecks.writeFirst(sealKeyCheck(sealer)));
  if (!sealer.open("", "key-check", check).ok) return fail(wrongKey(origin, file));
  return ok({ sealer, origin, file });
}

/** The key check of a sealer: the known text, sealed. */
function sealKeyCheck(sealer: Sealer): string {
  return sealer.seal("", "key-check", checkText);
}

type Found = Result<{ key: Uint8Array; origin: Keyring["origin"] }, KeyringFault>;

function findKey(deps: KeyringDeps, file: string, hasSealed: boolean): Found {
  if (deps.encryptionKey !== undefined)
    return parseKey(deps.encryptionKey.reveal(), "ENCRYPTION_KEY", "setting");
  if (deps.isRequired)
    return fail({
      code: "encryption_key_required",
      message: "REQUIRE_ENCRYPTION_KEY is on, and ENCRYPTION_KEY is not set",
      advice: "Set ENCRYPTION_KEY to 32 random bytes in base64, for example from: openssl rand -base64 32",
    });
  try {
    const text = readIfThere(file);
    if (text !== undefined) return parseKey(text, file, "file");
    if (!hasSealed) {
      makeFile(file, deps.dataDir);
      return parseKey(readFileSync(file, "utf8"), file, "made"); // another process may have been faster
    }
  } catch (error) {
    return fail({
      code: "encryption_key_unusable",
      message: `The encryption key file ${file} cannot be read or made (${(error as NodeJS.ErrnoException).code})`,
      advice: "Make DATA_DIR readable and writable for the user that runs llm-proxy, or set ENCRYPTION_KEY",
    });
  }
  return fail({
    code: "encryption_key_missing",
    message: `The database holds sealed provider keys, but ENCRYPTION_KEY is not set and ${file} does not exist`,
    advice: "Set ENCRYPTION_KEY to the key used before, or put the key file back from a backup",
  });
}

function parseKey(text: string, source: string, origin: Keyring["origin"]): Found {
  const trimmed = text.trim();
  const key = Buffer.from(trimmed, "base64");
  if (/^[\w+/-]{43}=?$/.test(trimmed) && key.length === keyBytes) return ok({ key, origin });
  return fail({
    code: "encryption_key_malformed",
    message: `${source} is not base64 of ${keyBytes} bytes`,
    advice: "Give exactly what was used before; a new key can be made with: openssl rand -base64 32",
  });
}

function wrongKey(origin: Keyring["origin"], file: string): KeyringFault {
  const source = origin === "setting" ? "ENCRYPTION_KEY" : file;
  const alternative =
    origin === "setting"
      ? `set the key used before, or unset it if ${file} was used`
      : "put the right file back";
  return {
    code: "encryption_key_wrong",
    message: `${source} is not the key that the provider keys in the database were sealed with`,
    advice: `Nothing was changed: ${alternative}`,
  };
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whole or not at all, and never over another: written aside, brought to the disk, then linked to its name. */
function makeFile(file: string, dataDir: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const aside = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  const descriptor = openSync(aside, "wx", 0o600);
  try {
    writeSync(descriptor, `${randomBytes(keyBytes).toString("base64")}\n`);
    fsyncSync(descriptor);
    linkSync(aside, file);
    fsyncDirectory(dataDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    closeSync(descriptor);
    rmSync(aside);
  }
}

function fsyncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
