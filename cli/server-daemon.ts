import { closeSync, fstatSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../src/config/settings.ts";
import { formatAddress } from "../src/config/units.ts";
import { CommandError } from "./output.ts";
import { readPidFile } from "./server-pid-file.ts";
import { localUrl, probe } from "./server-probe.ts";

const startTimeoutMs = 30_000;
const pollMs = 25;
const probeTimeoutMs = 1_000;
const complaintCharsMax = 2_000;

/** A program to run in the background. */
export interface BackgroundProgram {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment: Record<string, string>;
  readonly cwd: string;
}

/**
 * Runs the program, which must write the pid file when it serves, as a session of its own, its output appended to the log file, and waits until it serves.
 * It counts as serving when the pid file names it and `/ready` answers 200.
 * @returns its process number
 * @throws {CommandError} with the end of its output, if it ends or is not ready within 30 s; it is stopped then
 */
export async function startInBackground(
  program: BackgroundProgram,
  config: Config,
  logFile: string,
): Promise<number> {
  const { listenAddr } = config;
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, "a", 0o640);
  const bytesBefore = fstatSync(log).size;
  const child = Bun.spawn([program.file, ...program.args], {
    detached: true,
    env: program.environment,
    cwd: program.cwd,
    stdio: ["ignore", log, log],
  });
  closeSync(log);

  const giveUp = AbortSignal.timeout(startTimeoutMs);
  while (!(await isServing(child.pid, config))) {
    if (child.exitCode !== null || child.signalCode !== null || giveUp.aborted) {
      child.kill();
      const said = (await Bun.file(logFile).slice(bytesBefore).text()).trim().slice(-complaintCharsMax);
      const how = giveUp.aborted ? `was not ready at ${formatAddress(listenAddr)} in time` : "did not start";
      throw new CommandError(`The server ${how}, its log ${logFile} says:\n${said}`);
    }
    await delay(pollMs);
  }
  child.unref();
  return child.pid;
}

async function isServing(pid: number, { pidFile, listenAddr, enableTls }: Config): Promise<boolean> {
  if (readPidFile(pidFile) !== pid) return false;
  // With port 0 only the server knows where it listens; its pid file says that it does.
  const url = localUrl(formatAddress(listenAddr), enableTls);
  if (!url.ok || listenAddr.port === 0) return true;
  const status = await probe(`${url.value}/ready`, probeTimeoutMs, { isOwn: true });
  return status.ok && status.value === 200;
}
