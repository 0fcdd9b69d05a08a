import { defineCommand } from "citty";
import type { ProjectChange, ProjectRow } from "../client.ts";
import { type ConnectionFlags, connection, withClient } from "../client-connect.ts";
import { given } from "../flag-values.ts";
import { type CliIo, CommandError, printDetails, printTable } from "../output.ts";
import { readSecret } from "../secret-input.ts";
import { limitDetails, limitFlags, limitsFrom } from "./limit-flags.ts";
import { cell, minute, show, yesNo } from "./show.ts";

/** How the id of a project is given. */
const projectId = {
  type: "positional",
  required: true,
  description: "Id of the project (UUID)",
} as const;

const keyFlags = {
  "api-key": {
    type: "string",
    alias: "openai-key",
    description: "Key of the provider; - reads it from stdin, in clear it shows in the list of processes",
  },
  "api-key-file": { type: "string", description: "File that holds the key of the provider" },
} as const;

const provider = {
  type: "string",
  description: "The default provider of the project, by its name in the provider file",
} as const;

const settings = {
  "expires-at": {
    type: "string",
    description: "From when on nothing passes, as 2026-01-02T03:04:05Z, or none",
  },
  ...limitFlags,
} as const;

type SettingFlags = { readonly [Flag in keyof typeof settings]?: string | undefined };

function settingsFrom(flags: SettingFlags): ProjectChange {
  const expiresAt = flags["expires-at"];
  return {
    ...limitsFrom(flags),
    ...given({
      expires_at: expiresAt === "none" ? null : expiresAt,
    }),
  };
}

const list = defineCommand({
  meta: { name: "list", description: "List projects by name. Example: llm-proxy manage project list --json" },
  args: {
    active: { type: "boolean", description: "Only active ones; --active=false: only the others" },
    search: { type: "string", description: "Only those with this in their name" },
    ...connection,
  },
  async run({ args, data: io }) {
    const filter = { is_active: args.active, search: args.search };
    const rows = await withClient(args, io, (client) => client.projects.list(filter));
    show(io, args.json, rows, () => printProjects(io, rows));
  },
});

const showOne = defineCommand({
  meta: {
    name: "show",
    alias: "get",
    description: "Show a project. Example: llm-proxy manage project show 7b0f2a6e-…",
  },
  args: { id: projectId, ...connection },
  async run({ args, data: io }) {
    const row = await withClient(args, io, (client) => client.projects.show(args.id));
    show(io, args.json, row, () => printProject(io, row));
  },
});

const create = defineCommand({
  meta: {
    name: "create",
    description:
      "Create a project with its provider key. Example: printenv KEY | llm-proxy manage project create --name team-a --api-key -",
  },
  args: {
    name: { type: "string", required: true, description: "Name of the project, unique" },
    ...keyFlags,
    provider,
    ...settings,
    ...connection,
  },
  async run({ args, data: io }) {
    const key = await readKey(args, io, "PROVIDER_API_KEY");
    const wanted = {
      ...given({ name: args.name, provider: args.provider, api_key: key }),
      ...settingsFrom(args),
    };
    const row = await withClient(args, io, (client) => client.projects.create(wanted));
    show(io, args.json, row, () => printProject(io, row));
  },
});

const update = defineCommand({
  meta: {
    name: "update",
    description:
      "Change a project; what is left out stays. Example: llm-proxy manage project update 7b0f2a6e-… --name team-b",
  },
  args: {
    id: projectId,
    name: { type: "string", description: "New name" },
    ...keyFlags,
    provider,
    ...settings,
    active: { type: "boolean", description: "Switch it on, or with --active=false off" },
    "revoke-tokens": { type: "boolean", description: "With --active=false: revoke its tokens for good" },
    ...connection,
  },
  async run({ args, data: io }) {
    const { name, provider: newProvider, active, "revoke-tokens": revokeTokens } = args;
    const change = {
      ...given({
        name,
        provider: newProvider,
        api_key: await readKey(args, io),
        is_active: active,
        revoke_tokens: revokeTokens,
      }),
      ...settingsFrom(args),
    };
    await applyChange(args, io, change);
  },
});

const activate = defineCommand({
  meta: {
    name: "activate",
    description:
      "Let the tokens of a project work again. Example: llm-proxy manage project activate 7b0f2a6e-…",
  },
  args: { id: projectId, ...connection },
  run: ({ args, data: io }) => applyChange(args, io, { is_active: true }),
});

const deactivate = defineCommand({
  meta: {
    name: "deactivate",
    description:
      "Refuse the tokens of a project from now on. Example: llm-proxy manage project deactivate 7b0f2a6e-… --revoke-tokens",
  },
  args: {
    id: projectId,
    "revoke-tokens": { type: "boolean", description: "Revoke its tokens for good" },
    ...connection,
  },
  run: ({ args, data: io }) =>
    applyChange(args, io, { is_active: false, ...given({ revoke_tokens: args["revoke-tokens"] }) }),
});

const remove = defineCommand({
  meta: {
    name: "delete",
    description: "Not offered: says what to do instead. Example: llm-proxy manage project delete 7b0f2a6e-…",
  },
  args: { id: projectId, ...connection },
  run() {
    throw new CommandError(
      "Projects are never deleted, so that what was used under them stays accounted for",
      "Switch it off with llm-proxy manage project deactivate ID --revoke-tokens",
    );
  },
});

export const project = defineCommand({
  meta: {
    name: "project",
    description: "List, create and change projects. Example: llm-proxy manage project list",
  },
  subCommands: { list, show: showOne, create, update, activate, deactivate, delete: remove },
});

async function applyChange(
  args: ConnectionFlags & { readonly id: string },
  io: CliIo,
  change: ProjectChange,
): Promise<void> {
  const row = await withClient(args, io, (client) => client.projects.update(args.id, change));
  show(io, args.json, row, () => printProject(io, row));
}

async function readKey(
  args: { readonly "api-key"?: string | undefined; readonly "api-key-file"?: string | undefined },
  io: CliIo,
  variable?: string,
): Promise<string | undefined> {
  const sources = { flag: "--api-key", value: args["api-key"], file: args["api-key-file"] };
  const key = await readSecret(variable === undefined ? sources : { ...sources, variable }, io);
  return key?.reveal();
}

function printProjects(io: CliIo, rows: readonly ProjectRow[]): void {
  const columns = [
    { title: "ID", width: 36 },
    { title: "Name", width: 20 },
    { title: "API Key", width: 32 },
    { title: "Created", width: 20 },
    { title: "Updated", width: 20 },
    { title: "Provider", width: 12 },
    { title: "Active" },
  ];
  const cells = rows.map((row) => [
    cell(row.id),
    cell(row.name),
    cell(row.api_key),
    minute(row.created_at),
    minute(row.updated_at),
    cell(row.provider),
    yesNo(row.is_active),
  ]);
  printTable(io, columns, cells);
}

function printProject(io: CliIo, row: ProjectRow): void {
  printDetails(io, [
    ["ID", cell(row.id)],
    ["Name", cell(row.name)],
    ["API Key", cell(row.api_key)],
    ["Created", minute(row.created_at)],
    ["Updated", minute(row.updated_at)],
    ["Provider", cell(row.provider)],
    ["Active", yesNo(row.is_active)],
    ...(row.expires_at == null ? [] : [["Expires at", cell(row.expires_at)] as const]),
    ...(row.max_requests == null ? [] : [["Max requests", cell(row.max_requests)] as const]),
    ...limitDetails(row),
    ...(row.tokens_revoked === undefined ? [] : [["Tokens revoked", String(row.tokens_revoked)] as const]),
  ]);
}
