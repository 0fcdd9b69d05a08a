import { defineCommand } from "citty";
import { commit, version as ownVersion } from "../src/version.ts";
import { type CliIo, printDetails, printJson } from "./output.ts";

/** `llm-proxy 1.2.3`: what `--version` prints. */
export const versionLine = `llm-proxy ${ownVersion}`;

/** Prints what this program is made of. Opens nothing. */
function showVersion(io: CliIo, asJson: boolean): void {
  const platform = `${process.platform}-${process.arch}`;
  if (asJson) {
    printJson(io, { version: ownVersion, commit, bun: Bun.version, platform });
    return;
  }
  io.stdout.write(`${versionLine}\n`);
  printDetails(io, [
    ["Commit", commit],
    ["Bun", Bun.version],
    ["Platform", platform],
  ]);
}

export const version = defineCommand({
  meta: {
    name: "version",
    description: "Print version, commit, Bun and platform. Example: llm-proxy version --json",
  },
  args: { json: { type: "boolean", default: false, description: "Print as JSON" } },
  run: ({ args, data }) => showVersion(data, args.json),
});
