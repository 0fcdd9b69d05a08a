import { randomBytes } from "node:crypto";
import { fail, ok, type Result } from "../result.ts";
import type { Secret } from "../secret.ts";
import type { KeyringFault } from "./key-fault.ts";
import { makeKeyFile, onKeyFile, parseKey, readKeyFile } from "./key-file.ts";
import { type Keyring, newKeyFile, opensKeyCheck } from "./keyring.ts";
import { createSealer, keyBytes, type Sealer } from "./seal.ts";

/** A sealed text and whose it is. */
interface Sealed {
  readonly id: string;
  readonly projectId: string;
  readonly sealed: string;
}

/**
 * Finds the key to rotate to. Where the present one is in a file, the new one is on the disk beside it when this
 * returns, and `loadKeyring` puts it in place once the key check is sealed under it: a crash in between loses neither.
 * @param newKey base64 of 32 bytes; not given: one is made, which only a file can hold
 */
export function prepareRotation(
  present: Pick<Keyring, "origin" | "file" | "check">,
  newKey: Secret | undefined,
): Result<Sealer, KeyringFault> {
  const given = newKey === undefined ? undefined : parseKey(newKey.reveal(), "The new key");
  if (given?.ok === false) return given;
  const sealer = given && createSealer(given.value);
  if (sealer !== undefined && opensKeyCheck(sealer, present.check))
    return fail({
      code: "new_key_same",
      message: "The new key is the one in use already",
      advice: "Nothing was changed: give another, for example from: openssl rand -base64 32",
    });
  if (present.origin !== "setting") return keepAside(newKeyFile(present.file), given?.value);
  if (sealer !== undefined) return ok(sealer);
  return fail({
    code: "new_key_missing",
    message: "The present key comes from ENCRYPTION_KEY, and there is no new one to put in its place",
    advice: "Make one with: openssl rand -base64 32, keep it, and give it as --new-key - on stdin",
  });
}

/** One that lies there already is gone on with: it may be the key of a rotation that runs, or was cut short. */
function keepAside(file: string, key: Uint8Array | undefined): Result<Sealer, KeyringFault> {
  return onKeyFile(file, () => {
    makeKeyFile(file, key ?? randomBytes(keyBytes));
    const kept = parseKey(readKeyFile(file) ?? "", file);
    if (!kept.ok) return kept;
    if (key === undefined || Buffer.from(key).equals(kept.value)) return ok(createSealer(kept.value));
    return fail({
      code: "rotation_unfinished",
      message: `${file} holds the key of another rotation, which runs or was cut short`,
      advice: "Rotate without a new key to go on with that one, or delete the file if no rotation runs",
    });
  });
}

/** Opens every text. @returns all of them, or why none is given */
export function openAll<Row extends Sealed>(
  rows: readonly Row[],
  sealer: Sealer,
): Result<readonly { readonly row: Row; readonly text: Secret }[], KeyringFault> {
  const all = rows.map((row) => ({ row, text: sealer.open(row.projectId, row.id, row.sealed) }));
  const unreadable = all.filter(({ text }) => !text.ok).map(({ row }) => row.id);
  if (unreadable.length === 0)
    return ok(all.flatMap(({ row, text }) => (text.ok ? [{ row, text: text.value }] : [])));
  return fail({
    code: "keys_unreadable",
    message: `The present key does not open these provider keys: ${unreadable.join(", ")}`,
    advice: "Nothing was changed: remove or replace them, then rotate again",
  });
}
