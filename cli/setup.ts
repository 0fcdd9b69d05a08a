import { defineCommand } from "citty";
import { createApp } from "../src/app.ts";
import { migrationsOf } from "../src/app-database.ts";
import { type Flags, type Loaded, type LoadedSettings, loadSettings } from "../src/config/load.ts";
import type { Config } from "../src/config/settings.ts";
import { isFile } from "../src/config/text-file.ts";
import { formatAddress } from "../src/config/units.ts";
import type { Secret } from "../src/secret.ts";
import { argsOf, loadOrThrow, type Provider, readFlags, settled, warner } from "./config-flags.ts";
import { type CliIo, UsageError } from "./output.ts";
import { orRefuse } from "./server-fault.ts";
import { localUrl } from "./server-probe.ts";
import { closeToOthers, readEnvFile, valueIn, writeEnvFile } from "./setup-env-file.ts";
import { exampleCurl } from "./setup-example.ts";
import { type Sources, withProviderKey, withSecret } from "./setup-key.ts";
import { isDefaultPlace, planEnvFile, plannedListenAddr } from "./setup-plan.ts";
import { createProjectMaker } from "./setup-project.ts";
import { createPrompter } from "./setup-prompts.ts";
import { askForFile, askForSettings } from "./setup-questions.ts";
import { type MadeProject, report } from "./setup-report.ts";

/** What a person asks of `setup` beyond settings. */
export interface SetupOptions {
  readonly flags: Flags;
  /** Name in the provider file; default: `openai` for an OpenAI key, else the default provider. */
  readonly provider?: string | undefined;
  readonly apiKeyFile?: string | undefined;
  readonly showSecrets: boolean;
  readonly json: boolean;
}

/**
 * Makes an env file, a database, a project and a token, as far as they are not there yet (contract 8.1).
 * Everything is checked before the first byte is written; what a file already holds stays (CLI-103).
 * @throws {UsageError} if a provider key is needed and not given
 */
export async function setUp(options: SetupOptions, io: CliIo): Promise<void> {
  const sources = await gather(options, io);
  const settings = loadSetup(sources, io.cwd);
  const { config } = settings;
  const warn = warner(io);
  for (const warning of settings.warnings) warn(warning);
  const plan = planEnvFile(settings, warn);
  const { flags, environment } = withSecret(sources, "managementToken", plan.managementToken);
  const load = (): Loaded => loadOrThrow(withOwnFile(flags, config), { environment, cwd: io.cwd });
  const { providers } = load();
  const provider = config.skipProject ? undefined : chooseProvider(options, providers, config.openaiApiKey);

  if (plan.text !== plan.before) writeEnvFile(config.envFile, plan.text);
  else if (closeToOthers(config.envFile))
    warn(`Other users could read ${config.envFile}: its mode is 0600 now`);
  const loaded = load(); // with what is in the file now
  orRefuse(await migrationsOf(loaded).up());
  report(
    {
      envFile: config.envFile,
      managementToken: plan.tokenOrigin,
      managementTokenText:
        options.showSecrets && plan.tokenOrigin !== "kept" ? plan.managementToken : undefined,
      databasePath: loaded.config.databasePath,
      serverCommand: `llm-proxy server${isDefaultPlace(config) ? "" : ` --env ${config.envFile}`}`,
      made: provider && (await makeProject(loaded, config, provider)),
    },
    options.json,
    io,
  );
}

/** Flags and environment, with what a person answers and where a key comes from. */
async function gather(options: SetupOptions, io: CliIo): Promise<Sources> {
  const given = { flags: options.flags, environment: io.environment };
  const sources = await withProviderKey(given, options.apiKeyFile, io);
  const { config } = loadSetup(sources, io.cwd);
  const isTerminal = io.stdout.isTTY && "isTTY" in io.stdin && io.stdin.isTTY === true;
  const hasKey = config.openaiApiKey !== undefined;
  const saidEnough = config.skipProject || hasKey || options.provider !== undefined;
  if (!config.interactive && (!isTerminal || saidEnough)) return sources;

  using prompter = createPrompter(io);
  const withFile = { ...sources, flags: { ...sources.flags, ...(await askForFile(prompter, config)) } };
  const settings = loadSetup(withFile, io.cwd);
  const keepsToken = valueIn(readEnvFile(settings.config.envFile), "MANAGEMENT_TOKEN") !== undefined;
  const shown = { ...settings.config, listenAddr: plannedListenAddr(settings) };
  return await askForSettings(prompter, shown, withFile, { keepsToken, hasKey });
}

function loadSetup({ flags, environment }: Sources, cwd: string): LoadedSettings {
  const read = (given: Flags): LoadedSettings =>
    settled(loadSettings({ flags: given, environment, cwd, groups: ["setup"] }));
  const first = read(flags);
  return isFile(first.config.envFile) ? read(withOwnFile(flags, first.config)) : first;
}

/** The file that is to be written is read as well, so that what it holds is known and stays. */
function withOwnFile(flags: Flags, config: Config): Flags {
  return isFile(config.envFile) && !isDefaultPlace(config) ? { ...flags, env: config.envFile } : flags;
}

/** @throws {UsageError} for an unknown provider, or one whose key is missing */
function chooseProvider(
  { provider: wanted }: SetupOptions,
  { byName, defaultName }: Loaded["providers"],
  key: Secret | undefined,
): Provider {
  const name = wanted ?? (key !== undefined && byName.has("openai") ? "openai" : defaultName);
  const provider = byName.get(name);
  if (provider === undefined) {
    throw new UsageError(`Provider '${name}' is not known: choose one of ${[...byName.keys()].join(", ")}`);
  }
  if (key === undefined && provider.auth.scheme !== "none") {
    throw new UsageError(
      `Provider ${name} needs a key: give --openai-key -, OPENAI_API_KEY or --api-key-file, or --skip-project`,
    );
  }
  return provider;
}

async function makeProject(loaded: Loaded, config: Config, provider: Provider): Promise<MadeProject> {
  const { project: name, durationHours, openaiApiKey: key } = config;
  const app = orRefuse(await createApp(loaded, { offline: true }));
  try {
    const maker = createProjectMaker(app);
    const project = await maker.ensureProject({ name, provider: provider.name, key });
    const token = await maker.issueToken(project.id, durationHours);
    const dialect = loaded.providers.byName.get(project.provider)?.dialect ?? provider.dialect;
    const serverUrl = localUrl(formatAddress(loaded.config.listenAddr), loaded.config.enableTls);
    const curl = exampleCurl({ serverUrl: serverUrl.ok ? serverUrl.value : "", dialect, token: token.text });
    return { project, token, curl };
  } finally {
    await app.close();
  }
}

export const setup = defineCommand({
  meta: {
    name: "setup",
    description:
      "Make settings, database, project and token. Example: printenv KEY | llm-proxy setup --openai-key - --project demo",
  },
  args: {
    ...argsOf("setup"),
    provider: {
      type: "string",
      description: "The provider of the project (default: openai, where there is a key)",
    },
    "api-key-file": { type: "string", description: "File that holds the provider key" },
    "show-secrets": {
      type: "boolean",
      default: false,
      description: "Print a management token that was made",
    },
    json: { type: "boolean", default: false, description: "Print what was made as JSON" },
  },
  run: ({ args, data }) =>
    setUp(
      {
        flags: readFlags("setup", args),
        provider: args["provider"] as string | undefined,
        apiKeyFile: args["api-key-file"] as string | undefined,
        showSecrets: args["show-secrets"] === true,
        json: args["json"] === true,
      },
      data,
    ),
});
