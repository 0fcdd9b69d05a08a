import { readFileSync, statfsSync } from "node:fs";
import type { Clock } from "../src/clock.ts";
import type { Config } from "../src/config/settings.ts";
import { type Check, failed, good, warning } from "./doctor-check.ts";
import { nearestPlace, statOf } from "./doctor-files.ts";

const mib = 1024 ** 2;
const diskBytesMin = 100 * mib;
const diskBytesLow = 1024 * mib;
/** A request holds two: the caller's connection and the provider's. */
const openFilesMin = 1_024;
const openFilesLow = 8_192;
const clockMsMin = Date.UTC(2025, 0);
const clockLagMsMax = 5 * 60_000;

/** Room where the database grows. */
export function checkDisk({ databasePath }: Config): Check {
  const name = "disk";
  const place = nearestPlace(databasePath);
  const { bavail, bsize } = statfsSync(place);
  const freeBytes = bavail * bsize;
  const message = `${Math.floor(freeBytes / mib)} MiB are free at ${place}`;
  const advice = "Free some space, or move DATA_DIR to a larger disk";
  if (freeBytes < diskBytesMin) return failed(name, message, advice);
  return freeBytes < diskBytesLow ? warning(name, message, advice) : good(name, message);
}

/** Tokens expire by the wall clock, so it must not lie, nor lag behind what has been written already. */
export function checkClock({ databasePath }: Config, clock: Clock): Check {
  const name = "clock";
  const nowMs = clock.now();
  const now = new Date(nowMs).toISOString();
  const advice = "Set the clock and keep it by NTP (timedatectl set-ntp true): tokens expire by it";
  if (nowMs < clockMsMin) return failed(name, `It is ${now} here, which is past`, advice);
  const writtenMs = statOf(databasePath)?.mtimeMs ?? 0;
  if (writtenMs - nowMs > clockLagMsMax) {
    const written = new Date(writtenMs).toISOString();
    return failed(name, `It is ${now} here, but the database was written at ${written}`, advice);
  }
  return good(name, `It is ${now} here`);
}

/** How many connections the system lets this user open; undefined where the system does not say. */
export function checkOpenFiles(limits = readLimits()): Check | undefined {
  const name = "open files";
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits ?? "")?.[1];
  if (soft === undefined) return undefined;
  const files = soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
  const message = `At most ${soft} files and connections at once`;
  const advice = "Raise it: LimitNOFILE=65536 in the systemd unit, or ulimit -n 65536 before the start";
  if (files < openFilesMin) return failed(name, message, advice);
  return files < openFilesLow ? warning(name, message, advice) : good(name, message);
}

function readLimits(): string | undefined {
  return process.platform === "linux" ? readFileSync("/proc/self/limits", "utf8") : undefined;
}
