import { defineCommand } from "citty";
import { migrationsOf } from "../src/app-database.ts";
import { type Flags, loadSettings } from "../src/config/load.ts";
import { argsOf, readFlags, settled } from "./config-flags.ts";
import { type CliIo, CommandError, printJson } from "./output.ts";
import { orRefuse } from "./server-fault.ts";

/** What a migrate command is told. */
export interface MigrateOptions {
  readonly flags: Flags;
  readonly json: boolean;
}

/** Applies what is pending; a second run has nothing to do. @throws {CommandError} if the database is refused */
export async function migrateUp({ flags, json }: MigrateOptions, io: CliIo): Promise<void> {
  const migrations = openMigrations(flags, io);
  print(orRefuse(await migrations.up()), json, io, ["Migrations applied successfully"]);
}

/** Says what is applied and what is pending; changes nothing. @throws {CommandError} if the database is refused */
export async function migrateStatus({ flags, json }: MigrateOptions, io: CliIo): Promise<void> {
  const migrations = openMigrations(flags, io);
  print(orRefuse(await migrations.status()), json, io, []);
}

/** Never done. @throws {CommandError} with what to do instead */
export function migrateDown(): never {
  throw new CommandError(
    "Migrations go forward only",
    "To go back: stop the server, restore the backup made before the upgrade, start the old version (docs/upgrade.md)",
  );
}

function openMigrations(flags: Flags, { environment, cwd }: CliIo): ReturnType<typeof migrationsOf> {
  return migrationsOf(settled(loadSettings({ flags, environment, cwd, groups: ["store"] })));
}

type MigrationStatus = Extract<
  Awaited<ReturnType<ReturnType<typeof migrationsOf>["status"]>>,
  { readonly ok: true }
>["value"];

function print(
  { applied, pending }: MigrationStatus,
  json: boolean,
  io: CliIo,
  first: readonly string[],
): void {
  const version = applied.at(-1)?.number ?? 0;
  if (json) {
    const document = {
      version,
      applied: applied.map(({ number, name, appliedAtMs }) => ({
        number,
        name,
        applied_at: new Date(appliedAtMs).toISOString(),
      })),
      pending: pending.map(({ number, name }) => ({ number, name })),
    };
    printJson(io, document);
    return;
  }
  const waiting = pending.map(({ number, name }) => `Pending: ${number} ${name}`);
  io.stdout.write(`${[...first, `Current migration version: ${version}`, ...waiting].join("\n")}\n`);
}

const args = {
  ...argsOf("store"),
  json: { type: "boolean", default: false, description: "Print JSON" },
} as const;

const optionsOf = (given: Record<string, unknown>): MigrateOptions => ({
  flags: readFlags("store", given),
  json: given["json"] === true,
});

const status = defineCommand({
  meta: {
    name: "status",
    alias: "version",
    description: "Show the version of the database. Example: llm-proxy migrate status --json",
  },
  args,
  run: ({ args: given, data }) => migrateStatus(optionsOf(given), data),
});

export const migrate = defineCommand({
  meta: { name: "migrate", description: "Bring the database up to date. Example: llm-proxy migrate up" },
  subCommands: {
    up: defineCommand({
      meta: {
        name: "up",
        description: "Apply what is pending. Example: llm-proxy migrate up --db llm-proxy.db",
      },
      args,
      run: ({ args: given, data }) => migrateUp(optionsOf(given), data),
    }),
    status,
    down: defineCommand({
      meta: {
        name: "down",
        description: "Not offered: says how to go back. Example: llm-proxy migrate down",
      },
      run: migrateDown,
    }),
  },
});
