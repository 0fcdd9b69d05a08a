import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { fail, ok, type Result } from "../result.ts";
import type { KeyringFault } from "./key-fault.ts";
import { keyBytes } from "./seal.ts";

/** Reads base64 of 32 bytes; white space around it is passed over. `source` is for the message. */
export function parseKey(text: string, source: string): Result<Uint8Array, KeyringFault> {
  const trimmed = text.trim();
  const key = Buffer.from(trimmed, "base64");
  if (/^[\w+/-]{43}=?$/.test(trimmed) && key.length === keyBytes) return ok(key);
  return fail({
    code: "encryption_key_malformed",
    message: `${source} is not base64 of ${keyBytes} bytes`,
    advice: "Give exactly what was used before; a new key can be made with: openssl rand -base64 32",
  });
}

/** The text of a key file. @throws the system's error if there is a file that cannot be read */
export function readKeyFile(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Writes a key to its file, mode 0600, whole or not at all, and on the disk when this returns. A file that is there
 * stays: another process was faster.
 * @throws the system's error
 */
export function makeKeyFile(file: string, key: Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const aside = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  const descriptor = openSync(aside, "wx", 0o600);
  try {
    writeSync(descriptor, `${Buffer.from(key).toString("base64")}\n`);
    fsyncSync(descriptor);
    linkSync(aside, file);
    fsyncDirectory(dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    closeSync(descriptor);
    rmSync(aside);
  }
}

/** Puts one key file in the place of another; none is left to move where another process was faster. */
export function moveKeyFile(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  fsyncDirectory(dirname(to));
}

/** Does `work` on a key file; an error of the system becomes a fault. */
export function onKeyFile<T>(file: string, work: () => Result<T, KeyringFault>): Result<T, KeyringFault> {
  try {
    return work();
  } catch (error) {
    return fail({
      code: "encryption_key_unusable",
      message: `The encryption key file ${file} cannot be read or made (${(error as NodeJS.ErrnoException).code})`,
      advice: "Make DATA_DIR readable and writable for the user that runs llm-proxy, or set ENCRYPTION_KEY",
    });
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
