import { defineCommand } from "citty";
import { connection } from "../client-connect.ts";
import { audit } from "./audit.ts";
import { cache } from "./cache.ts";
import { keys } from "./keys.ts";
import { prices } from "./prices.ts";
import { project } from "./project.ts";
import { token } from "./token.ts";
import { usage } from "./usage.ts";

export const manage = defineCommand({
  meta: {
    name: "manage",
    description:
      "Manage projects, keys and tokens, look at usage and audit. Example: llm-proxy manage project list",
  },
  args: connection,
  subCommands: { project, token, keys, usage, prices, audit, cache },
});
