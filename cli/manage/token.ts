import { defineCommand } from "citty";
import type { TokenRow } from "../client.ts";
import { connection, withClient } from "../client-connect.ts";
import { given, readCount } from "../flag-values.ts";
import { type CliIo, printDetails, printTable, UsageError } from "../output.ts";
import { limitDetails, limitFlags, limitsFrom } from "./limit-flags.ts";
import { cell, minute, show, yesNo } from "./show.ts";

const tokenId = { type: "positional", required: true, description: "Id of the token (UUID)" } as const;
const ofProject = { type: "string", description: "Id of the project (UUID)" } as const;
const durationMinutesDefault = 1440;
const expiresAtFlag = {
  type: "string",
  description: "Instead: when it expires, as 2026-01-02T03:04:05Z",
} as const;

const create = defineCommand({
  meta: {
    name: "create",
    alias: "generate",
    description:
      "Create a token; its text is shown this once. Example: llm-proxy manage token create --project-id 7b0f2a6e-… --duration 60",
  },
  args: {
    "project-id": { ...ofProject, required: true },
    duration: { type: "string", description: `Minutes that it lives (default ${durationMinutesDefault})` },
    "expires-at": expiresAtFlag,
    ...limitFlags,
    ...connection,
  },
  async run({ args, data: io }) {
    const expiry = expiryFrom(args);
    const wanted = {
      project_id: args["project-id"],
      ...(Object.keys(expiry).length > 0 ? expiry : { duration_minutes: durationMinutesDefault }),
      ...limitsFrom(args),
    };
    const row = await withClient(args, io, (client) => client.tokens.create(wanted));
    show(io, args.json, row, () => {
      printDetails(io, [
        ["ID", cell(row.id)],
        ["Token", cell(row.token)],
        ["Obfuscated", `sk-wt-…${cell(row.token).slice(-4)}`],
        ["Expires at", cell(row.expires_at)],
      ]);
      io.stderr.write("The token is shown this once: hand it over now\n");
    });
  },
});

const list = defineCommand({
  meta: {
    name: "list",
    description: "List tokens, newest first. Example: llm-proxy manage token list --project-id 7b0f2a6e-…",
  },
  args: {
    "project-id": ofProject,
    active: { type: "boolean", description: "Only active ones; --active=false: only revoked ones" },
    ...connection,
  },
  async run({ args, data: io }) {
    const filter = { project_id: args["project-id"], is_active: args.active };
    const rows = await withClient(args, io, (client) => client.tokens.list(filter));
    show(io, args.json, rows, () => printTokens(io, rows));
  },
});

const showOne = defineCommand({
  meta: {
    name: "show",
    alias: "get",
    description: "Show a token. Example: llm-proxy manage token show 9d8c…",
  },
  args: { id: tokenId, ...connection },
  async run({ args, data: io }) {
    refuseText(args.id);
    const row = await withClient(args, io, (client) => client.tokens.show(args.id));
    show(io, args.json, row, () => printToken(io, row));
  },
});

const update = defineCommand({
  meta: {
    name: "update",
    description: "Change a token. Example: llm-proxy manage token update 9d8c… --max-requests 500",
  },
  args: {
    id: tokenId,
    active: { type: "boolean", description: "Let it work again, or with --active=false revoke it" },
    duration: { type: "string", description: "Minutes that it lives from now on" },
    "expires-at": expiresAtFlag,
    ...limitFlags,
    ...connection,
  },
  async run({ args, data: io }) {
    refuseText(args.id);
    const change = { ...given({ is_active: args.active }), ...expiryFrom(args), ...limitsFrom(args) };
    const row = await withClient(args, io, (client) => client.tokens.update(args.id, change));
    show(io, args.json, row, () => printToken(io, row));
  },
});

const revoke = defineCommand({
  meta: {
    name: "revoke",
    alias: "delete",
    description: "Revoke a token at once. Example: llm-proxy manage token revoke 9d8c…",
  },
  args: { id: tokenId, ...connection },
  async run({ args, data: io }) {
    refuseText(args.id);
    await withClient(args, io, (client) => client.tokens.revoke(args.id));
    show(io, args.json, { id: args.id, revoked: true }, () =>
      io.stdout.write(`Token ${args.id} is revoked\n`),
    );
  },
});

const revokeAll = defineCommand({
  meta: {
    name: "revoke-all",
    description:
      "Revoke all tokens of a project at once. Example: llm-proxy manage token revoke-all --project-id 7b0f2a6e-…",
  },
  args: { "project-id": { ...ofProject, required: true }, ...connection },
  async run({ args, data: io }) {
    const done = await withClient(args, io, (client) => client.projects.revokeTokens(args["project-id"]));
    show(io, args.json, done, () =>
      io.stdout.write(
        `${done.revoked_count} tokens are revoked, ${done.already_revoked_count} were before\n`,
      ),
    );
  },
});

export const token = defineCommand({
  meta: {
    name: "token",
    description: "Create, list, change and revoke tokens. Example: llm-proxy manage token list",
  },
  subCommands: { create, list, show: showOne, update, revoke, "revoke-all": revokeAll },
});

/** When a token is to expire, as the API takes it; nothing where no flag says so. */
function expiryFrom(flags: {
  readonly duration?: string | undefined;
  readonly "expires-at"?: string | undefined;
}) {
  const expiresAt = flags["expires-at"];
  if (expiresAt !== undefined && flags.duration !== undefined)
    throw new UsageError("--duration and --expires-at exclude each other: give one");
  return given({ duration_minutes: readCount("--duration", flags.duration), expires_at: expiresAt });
}

/** A token's text must not get into an address, and so into logs. */
function refuseText(id: string): void {
  if (id.startsWith("sk-")) {
    throw new UsageError("That is the text of a token: give its id (UUID), which manage token list shows");
  }
}

function printTokens(io: CliIo, rows: readonly TokenRow[]): void {
  const columns = ["ID", "Token", "Project", "Active", "Requests", "Expires", "Last used"];
  const cells = rows.map((row) => [
    cell(row.id),
    cell(row.token),
    cell(row.project_id),
    yesNo(row.is_active),
    requestsOf(row),
    minute(row.expires_at),
    minute(row.last_used_at),
  ]);
  printTable(
    io,
    columns.map((title) => ({ title })),
    cells,
  );
}

function printToken(io: CliIo, row: TokenRow): void {
  printDetails(io, [
    ["ID", cell(row.id)],
    ["Token", cell(row.token)],
    ["Project", cell(row.project_id)],
    ["Active", yesNo(row.is_active)],
    ["Requests", requestsOf(row)],
    ["Expires at", cell(row.expires_at)],
    ["Last used", minute(row.last_used_at)],
    ...limitDetails(row),
  ]);
}

function requestsOf({ request_count, max_requests }: TokenRow): string {
  return `${cell(request_count)}/${max_requests ?? "∞"}`;
}
