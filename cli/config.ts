import { defineCommand } from "citty";
import defaultProviderFile from "../src/config/default-providers.yaml" with { type: "text" };
import { describeConfig, type Flags, loadConfig, loadProviders, loadSettings } from "../src/config/load.ts";
import { argsOf, type Provider, problemLine, readFlags, settled, warner } from "./config-flags.ts";
import { type CliIo, CommandError, printJson, printTable } from "./output.ts";

/** What a config command is told. */
export interface ConfigOptions {
  readonly flags: Flags;
  readonly json: boolean;
}

/** Prints every setting with its value and where it came from; secrets show as `***` (CFG-104). */
export function showConfig({ flags, json }: ConfigOptions, io: CliIo): void {
  const settings = settled(loadSettings({ flags, environment: io.environment, cwd: io.cwd }));
  const rows = describeConfig(settings);
  settings.warnings.forEach(warner(io));
  if (json) {
    printJson(
      io,
      rows.map(({ env, value, origin }) => ({ name: env, value: value === "" ? null : value, origin })),
    );
    return;
  }
  const cells = rows.map(({ env, value, origin }) => [env, value === "" ? "-" : value, origin]);
  printTable(
    io,
    ["Setting", "Value", "From"].map((title) => ({ title })),
    cells,
  );
}

/** Checks settings and provider file as a start would, and starts nothing. @throws {CommandError} with every problem */
export function checkConfig({ flags, json }: ConfigOptions, io: CliIo): void {
  const loaded = loadConfig({ flags, environment: io.environment, cwd: io.cwd });
  if (json) {
    const problems = loaded.ok ? [] : loaded.error;
    printJson(io, { ok: loaded.ok, problems, warnings: loaded.ok ? loaded.value.warnings : [] });
    if (!loaded.ok) throw new CommandError(loaded.error.map(problemLine).join("\n"));
    return;
  }
  const { providers, providerSource, warnings } = settled(loaded);
  warnings.forEach(warner(io));
  const names = [...providers.byName.keys()].join(", ");
  io.stdout.write(`OK\nProviders (${providerSource}): ${names}; default ${providers.defaultName}\n`);
}

/** Lists the providers as the settings make them; static headers are left out, as they may hold secrets. */
export function listProviders({ flags, json }: ConfigOptions, io: CliIo): void {
  const { config: own } = settled(loadSettings({ flags, environment: io.environment, cwd: io.cwd }));
  const { providers } = settled(loadProviders(own, io.cwd));
  const rows = [...providers.byName.values()].map((provider) => ({
    name: provider.name,
    base_url: `${provider.origin}${provider.basePath}`,
    dialect: provider.dialect,
    auth: authWord(provider.auth),
    allowed_endpoints: provider.allowedEndpoints,
    default: provider.name === providers.defaultName,
  }));
  if (json) {
    printJson(io, rows);
    return;
  }
  const cells = rows.map((row) => [
    row.default ? `${row.name} *` : row.name,
    row.base_url,
    row.dialect,
    row.auth,
    String(row.allowed_endpoints.length),
  ]);
  printTable(
    io,
    ["Provider (* default)", "Base URL", "Dialect", "Key", "Endpoints"].map((title) => ({ title })),
    cells,
  );
}

function authWord(auth: Provider["auth"]): string {
  switch (auth.scheme) {
    case "bearer":
    case "none":
      return auth.scheme;
    case "header":
      return auth.prefix === "" ? auth.name : `${auth.name}: ${auth.prefix.trim()}`;
    case "query":
      return `?${auth.name}=`;
  }
}

const args = {
  ...argsOf("server"),
  json: { type: "boolean", default: false, description: "Print JSON" },
} as const;

const optionsOf = (given: Record<string, unknown>): ConfigOptions => ({
  flags: readFlags("server", given),
  json: given["json"] === true,
});

export const config = defineCommand({
  meta: { name: "config", description: "Look at settings and providers. Example: llm-proxy config show" },
  subCommands: {
    show: defineCommand({
      meta: {
        name: "show",
        description: "Each setting, its value and where it came from. Example: llm-proxy config show --json",
      },
      args,
      run: ({ args: given, data }) => showConfig(optionsOf(given), data),
    }),
    check: defineCommand({
      meta: {
        name: "check",
        description:
          "Check everything that a start checks. Example: llm-proxy config check --config llm-proxy.yaml",
      },
      args,
      run: ({ args: given, data }) => checkConfig(optionsOf(given), data),
    }),
    providers: defineCommand({
      meta: {
        name: "providers",
        description:
          "List the providers. Example: llm-proxy config providers --default-file > config/api_providers.yaml",
      },
      args: {
        ...args,
        "default-file": {
          type: "boolean",
          default: false,
          description: "Print the provider file of the binary",
        },
      },
      run: ({ args: given, data: io }) => {
        if (given["default-file"]) io.stdout.write(defaultProviderFile);
        else listProviders(optionsOf(given), io);
      },
    }),
  },
});
