import { defineCommand } from "citty";
import type { KeyRow } from "../client.ts";
import { connection, withClient } from "../client-connect.ts";
import { argsOf, readFlags } from "../config-flags.ts";
import { given, readCount } from "../flag-values.ts";
import { rotateEncryptionKey } from "../key-rotation.ts";
import { printDetails, printTable, UsageError } from "../output.ts";
import { readSecret } from "../secret-input.ts";
import { cell, minute, show } from "./show.ts";

const ofProject = { type: "string", required: true, description: "Id of the project (UUID)" } as const;

const list = defineCommand({
  meta: {
    name: "list",
    description:
      "List the provider keys of a project, masked. Example: llm-proxy manage keys list --project-id 7b0f2a6e-…",
  },
  args: { "project-id": ofProject, ...connection },
  async run({ args, data: io }) {
    const rows = await withClient(args, io, (client) => client.keys.list(args["project-id"]));
    show(io, args.json, rows, () =>
      printTable(
        io,
        ["ID", "Provider", "Name", "API Key", "Weight", "Status", "Created"].map((title) => ({ title })),
        rows.map((row) => [
          cell(row.id),
          cell(row.provider),
          cell(row.name),
          cell(row.api_key),
          cell(row.weight),
          statusOf(row),
          minute(row.created_at),
        ]),
      ),
    );
  },
});

/** `resting until 2026-01-02 03:04 after 429` while the provider has refused it. */
function statusOf(row: KeyRow): string {
  if (row.resting_until === undefined) return cell(row.key_status);
  return `resting until ${minute(row.resting_until)} after ${row.last_status}`;
}

const add = defineCommand({
  meta: {
    name: "add",
    description:
      "Add a provider key to a project. Example: printenv KEY | llm-proxy manage keys add --project-id 7b0f2a6e-… --api-key -",
  },
  args: {
    "project-id": ofProject,
    "api-key": {
      type: "string",
      description: "The key; - reads it from stdin, in clear it shows in the list of processes",
    },
    "api-key-file": { type: "string", description: "File that holds the key" },
    provider: { type: "string", description: "Its provider; not given: that of the project" },
    name: { type: "string", description: "A name for it, unique for the provider" },
    weight: { type: "string", description: "Share of the traffic among keys of one provider, 1 to 1000" },
    ...connection,
  },
  async run({ args, data: io }) {
    const key = await readSecret(
      {
        flag: "--api-key",
        value: args["api-key"],
        file: args["api-key-file"],
        variable: "PROVIDER_API_KEY",
      },
      io,
    );
    if (key === undefined) {
      throw new UsageError(
        "No key: give --api-key - and the key on stdin, --api-key-file, or PROVIDER_API_KEY",
      );
    }
    const { provider, name } = args;
    const wanted = {
      api_key: key.reveal(),
      ...given({ provider, name, weight: readCount("--weight", args.weight) }),
    };
    const row = await withClient(args, io, (client) => client.keys.add(args["project-id"], wanted));
    show(io, args.json, row, () =>
      printDetails(io, [
        ["ID", cell(row.id)],
        ["Provider", cell(row.provider)],
        ["Name", cell(row.name)],
        ["API Key", cell(row.api_key)],
        ["Weight", cell(row.weight)],
      ]),
    );
  },
});

const remove = defineCommand({
  meta: {
    name: "remove",
    description:
      "Remove a provider key from a project. Example: llm-proxy manage keys remove --project-id 7b0f2a6e-… 5e1d…",
  },
  args: {
    id: { type: "positional", required: true, description: "Id of the key (UUID)" },
    "project-id": ofProject,
    ...connection,
  },
  async run({ args, data: io }) {
    await withClient(args, io, (client) => client.keys.remove(args["project-id"], args.id));
    show(io, args.json, { id: args.id, removed: true }, () => io.stdout.write(`Key ${args.id} is removed\n`));
  },
});

const { "data-dir": dataDir, db, config, env } = argsOf("store");
const place = { "data-dir": dataDir, db, config, env };

const rotate = defineCommand({
  meta: {
    name: "rotate",
    description:
      "Seal every provider key under a new encryption key, on the database itself, while no server runs. Example: llm-proxy manage keys rotate --new-key-file new.key",
  },
  args: {
    "new-key": {
      type: "string",
      description:
        "The new key, base64 of 32 bytes; - reads it from stdin, in clear it shows in the list of processes (NEW_ENCRYPTION_KEY)",
    },
    "new-key-file": {
      type: "string",
      description:
        "File that holds the new key. With none given one is made, if the present key comes from encryption.key",
    },
    force: { type: "boolean", default: false, description: "Go on though a server answers at LISTEN_ADDR" },
    ...(place as object),
    offline: { type: "boolean", default: true, description: "Always so: no server is asked" },
    json: connection.json,
  },
  async run({ args, data: io }) {
    if (!args.offline)
      throw new UsageError("keys rotate works on the database itself: leave --offline as it is");
    const newKey = await readSecret(
      {
        flag: "--new-key",
        value: args["new-key"],
        file: args["new-key-file"],
        variable: "NEW_ENCRYPTION_KEY",
      },
      io,
    );
    const flags = readFlags("store", { ...args });
    await rotateEncryptionKey({ flags, newKey, force: args.force, json: args.json }, io);
  },
});

export const keys = defineCommand({
  meta: {
    name: "keys",
    description:
      "List, add and remove the provider keys of a project, and seal all of them anew. Example: llm-proxy manage keys list --help",
  },
  subCommands: { list, add, remove, rotate },
});
