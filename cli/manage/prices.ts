import { defineCommand } from "citty";
import { argsOf, readFlags } from "../config-flags.ts";
import { checkPrices, listPrices } from "../prices.ts";

const { "prices-path": pricesPath, "data-dir": dataDir, config, env } = argsOf("store");

/** Where the settings are; no server is asked. */
const place = {
  ...({ "prices-path": pricesPath, "data-dir": dataDir, config, env } as object),
  json: { type: "boolean", default: false, description: "Print one JSON document" },
} as const;

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
    const { file, json } = args;
    checkPrices(
      { flags: readFlags("store", { ...args }), json, ...(file === undefined ? {} : { file }) },
      io,
    );
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
    const { model, json } = args;
    listPrices(
      { flags: readFlags("store", { ...args }), json, ...(model === undefined ? {} : { model }) },
      io,
    );
  },
});

export const prices = defineCommand({
  meta: {
    name: "prices",
    description: "Look at what models cost. Example: llm-proxy manage prices list --model gpt-4o",
  },
  subCommands: { check, list },
});
