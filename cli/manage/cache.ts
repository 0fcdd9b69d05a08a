import { defineCommand } from "citty";
import { connection, withClient } from "../client-connect.ts";
import { given } from "../flag-values.ts";
import { show } from "./show.ts";

const purge = defineCommand({
  meta: {
    name: "purge",
    description:
      "Delete cached answers; a server of this version has no cache yet and says so. Example: llm-proxy manage cache purge --method GET --url /v1/models",
  },
  args: {
    method: { type: "string", description: "With --url: the method of the one entry to delete" },
    url: { type: "string", description: "Its path, with its query if it has one; the host does not count" },
    prefix: {
      type: "string",
      description: "Every entry whose path begins so, in place of --method and --url",
    },
    "project-id": { type: "string", description: "Only entries of this project (UUID)" },
    all: { type: "boolean", description: "Every entry, in place of --method, --url and --prefix" },
    ...connection,
  },
  async run({ args, data: io }) {
    const { method, url, prefix, all, "project-id": project_id } = args;
    const wanted = given({ method, url, prefix, all, project_id });
    const answer = await withClient(args, io, (client) => client.cache.purge(wanted));
    const kind = prefix && !all ? "Cache prefix purge" : "Cache purge";
    show(io, args.json, answer, () => io.stdout.write(`${wordOf(answer.deleted, kind)}\n`));
  },
});

export const cache = defineCommand({
  meta: {
    name: "cache",
    description: "Delete cached answers. Example: llm-proxy manage cache purge --all",
  },
  subCommands: { purge },
});

function wordOf(deleted: boolean | number, kind: string): string {
  if (typeof deleted === "number") return `${kind} completed: ${deleted} entries deleted`;
  return deleted ? "Cache entry deleted successfully" : "Cache entry was not found";
}
