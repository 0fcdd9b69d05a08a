import { defineCommand } from "citty";
import { argsOf, readFlags } from "../config-flags.ts";
import { given } from "../flag-values.ts";
import { UsageError } from "../output.ts";
import { checkPrices, listPrices, type PricesOptions } from "../prices.ts";

const { "prices-path": pricesPath, "data-dir": dataDir, config, env } = argsOf("store");

/** Where the settings are; no server is asked. */
const place = {
  ...({ "prices-path": pricesPath, "data-dir": dataDir, config, env } as object),
  offline: { type: "boolean", default: true, description: "Always so: no server is asked" },
  json: { type: "boolean", default: false, description: "Print one JSON document" },
} as const;

/** What both commands take. @throws {UsageError} where a server is to be asked */
function optionsOf(args: { readonly offline: boolean; readonly json: boolean }): PricesOptions {
  if (!args.offline) throw new UsageError("prices come from files and the binary: leave --offline as it is");
  return { flags: readFlags("store", { ...args }), json: args.json };
}

const check = defineCommand({
  meta: {
    name: "check",
    description:
      "Check a price file as a start does, and show what it says. Example: llm-proxy manage prices check prices.yaml",
  },
  args: {
    file: {
      type: "positional",
      required: false,
      description: "The price file; not given: the one that PRICES_PATH names",
    },
    ...place,
  },
  run({ args, data: io }) {
    checkPrices({ ...optionsOf(args), ...given({ file: args.file }) }, io);
  },
});

const list = defineCommand({
  meta: {
    name: "list",
    description:
      "List the prices that hold, the file's and the binary's. Example: llm-proxy manage prices list --model gpt-4o-2024-11-20",
  },
  args: {
    model: { type: "string", description: "Show what this model costs, and by which entry" },
    ...place,
  },
  run({ args, data: io }) {
    listPrices({ ...optionsOf(args), ...given({ model: args.model }) }, io);
  },
});

export const prices = defineCommand({
  meta: {
    name: "prices",
    description: "Look at what models cost. Example: llm-proxy manage prices list --model gpt-4o",
  },
  subCommands: { check, list },
});
