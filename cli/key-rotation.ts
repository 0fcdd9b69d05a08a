import { type Flags, loadSettings } from "../src/config/load.ts";
import type { Config } from "../src/config/settings.ts";
import { formatAddress } from "../src/config/units.ts";
import type { Secret } from "../src/secret.ts";
import { mustExist } from "./client-connect.ts";
import { settled, warner } from "./config-flags.ts";
import { type CliIo, CommandError, printJson } from "./output.ts";
import { orRefuse } from "./server-fault.ts";
import { localUrl, probe } from "./server-probe.ts";

const answerTimeoutMs = 2_000;

/** What a rotation is told. */
export interface RotationOptions {
  readonly flags: Flags;
  /** Base64 of 32 bytes; without one a key is made, if the present one comes from the file. */
  readonly newKey: Secret | undefined;
  /** Goes on though a server seems to run. */
  readonly force: boolean;
  readonly json: boolean;
}

/**
 * Seals the provider keys of a database anew, and says what is left to do.
 * @throws {CommandError} if a server runs, or the rotation is refused; nothing is changed then
 */
export async function rotateEncryptionKey(options: RotationOptions, io: CliIo): Promise<void> {
  const { environment, cwd } = io;
  const loaded = settled(loadSettings({ flags: options.flags, environment, cwd, groups: ["server"] }));
  loaded.warnings.forEach(warner(io));
  mustExist(loaded.config.databasePath);
  if (!options.force) await refuseRunningServer(loaded.config);
  const { rotateKeys } = await import("../src/app-rotation.ts");
  const { rotated, origin, file } = orRefuse(await rotateKeys(loaded, options.newKey));
  if (options.json) {
    printJson(io, { rotated, origin, ...(origin === "file" && { file }) });
    return;
  }
  const next =
    origin === "file"
      ? `The new encryption key is in ${file}: back it up, then start the server`
      : `Set ENCRYPTION_KEY to the new key where it is set now (${loaded.origins.encryptionKey}), back it up, then start the server`;
  io.stdout.write(`Provider keys sealed anew: ${rotated}\n${next}\n`);
}

/** It would go on sealing under the old key, and nobody could read what it seals. */
async function refuseRunningServer({ listenAddr: address, enableTls }: Config): Promise<void> {
  const url = localUrl(formatAddress(address), enableTls);
  if (!url.ok || address.port === 0) return;
  const status = await probe(`${url.value}/live`, answerTimeoutMs, { isOwn: true });
  if (status.ok ? status.value !== 200 : status.error === "unreachable") return;
  throw new CommandError(
    `A server listens at ${url.value}, and would go on sealing under the old key: nothing was changed`,
    "Stop it and rotate again, or add --force if it uses another database",
  );
}
