import type { RecordRow } from "../client-call.ts";
import { type CliIo, printDetails, printJson } from "../output.ts";

/** Prints an answer as it came with `--json`, else for people. */
export function show(io: CliIo, asJson: boolean, value: unknown, forPeople: () => void): void {
  if (asJson) printJson(io, value);
  else forPeople();
}

/** `2026-01-02 03:04`, UTC; empty where there is no time. */
export function minute(time: string | null | undefined): string {
  const at = new Date(time ?? "");
  return Number.isNaN(at.getTime()) ? (time ?? "") : at.toISOString().slice(0, 16).replace("T", " ");
}

/** `2026-01-02 03:04:05`, UTC. */
export function second(time: unknown): string {
  const at = new Date(String(time));
  return Number.isNaN(at.getTime()) ? cell(time) : at.toISOString().slice(0, 19).replace("T", " ");
}

/** A field of an answer in a table; empty where there is none. */
export function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** `yes` or `no`. */
export function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

/** Prints a record field by field: `client_ip` becomes `Client ip`. */
export function printRecord(io: CliIo, row: RecordRow): void {
  const pairs = Object.entries(row).map(([name, value]) => [label(name), cell(value)] as const);
  printDetails(io, pairs);
}

function label(name: string): string {
  const words = name.replaceAll("_", " ");
  return words === "id" ? "ID" : words.charAt(0).toUpperCase() + words.slice(1);
}
