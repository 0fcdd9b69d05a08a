import { accessSync, constants, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { envFileName } from "../src/config/read-settings.ts";
import type { Config } from "../src/config/settings.ts";
import { type Check, failed, good, warning } from "./doctor-check.ts";

const othersMask = 0o007;
const groupMask = 0o070;
const groupOrOthersWrite = 0o022;

/** The data directory: there, or to be made; writable; not writable for other users. */
export function checkDataDirectory({ dataDir }: Config): Check {
  const name = "data directory";
  const stats = statOf(dataDir);
  const place = stats === undefined ? nearestPlace(dataDir) : dataDir;
  if (statOf(place)?.isDirectory() === false) {
    return failed(name, `${place} is no directory`, "Move it away, or set DATA_DIR to another place");
  }
  if (!isWritable(place)) {
    return failed(
      name,
      `${place} cannot be written by this user`,
      "Give it to the user that runs llm-proxy, or set DATA_DIR to another place",
    );
  }
  if (stats === undefined) return good(name, `${dataDir} is made at the first start`);
  if ((stats.mode & groupOrOthersWrite) !== 0) {
    const message = `${dataDir} can be written by other users (mode ${octal(stats)})`;
    return warning(name, message, `chmod 700 ${dataDir}`);
  }
  return good(name, `${dataDir} can be written (mode ${octal(stats)})`);
}

/** Files that hold secrets or what they protect are for their owner alone. */
export function checkSecretFiles({ dataDir, databasePath, encryptionKey }: Config): Check[] {
  const name = "secret files";
  const keyFile = encryptionKey === undefined ? [join(dataDir, "encryption.key")] : [];
  const files = [join(dataDir, envFileName), ...keyFile, databasePath];
  const there = files.flatMap((path) => {
    const stats = statOf(path);
    return stats === undefined ? [] : [{ path, stats }];
  });
  const open = there.filter(({ stats }) => (stats.mode & (othersMask | groupMask)) !== 0);
  if (open.length === 0) {
    const found = there.length === 0 ? "None yet" : `${there.length} found, for their owner alone`;
    return [good(name, found)];
  }
  return open.map(({ path, stats }) => {
    const report = (stats.mode & othersMask) === 0 ? warning : failed;
    const who = (stats.mode & othersMask) === 0 ? "its group" : "every user of this machine";
    return report(name, `${path} is open to ${who} (mode ${octal(stats)})`, `chmod 600 ${path}`);
  });
}

/** The nearest place above that is there: what a new file or directory would be made in. */
export function nearestPlace(path: string): string {
  const above = dirname(path);
  return above === path || statOf(above) !== undefined ? above : nearestPlace(above);
}

/** What is at a path; undefined also where this user may not look. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // whoever needs the place to be there or writable says that it is not
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function octal({ mode }: Stats): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}
