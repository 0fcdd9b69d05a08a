import type { StartFault } from "../src/app.ts";
import type { Result } from "../src/result.ts";
import { CommandError } from "./output.ts";

/** The value. @throws {CommandError} with the code, the sentence and what to do */
export function orRefuse<T>(result: Result<T, StartFault>): T {
  if (result.ok) return result.value;
  throw new CommandError(faultLine(result.error));
}

/** A fault as one line: `port_in_use: …`. */
export function faultLine({ code, message }: StartFault): string {
  return `${code}: ${message}`;
}
