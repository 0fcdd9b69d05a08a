import type { Flags } from "../src/config/load.ts";
import { type Config, type SettingKey, settings } from "../src/config/settings.ts";
import { type Sources, withSecret } from "./setup-key.ts";
import type { Prompter } from "./setup-prompts.ts";

/** The file is asked for first, since what it holds is the default of all other questions. */
export async function askForFile(prompter: Prompter, config: Config): Promise<Flags> {
  return { envFile: await ask(prompter, "envFile", "Env file to write", config.envFile) };
}

/**
 * Asks for what `setup` can be told by flags, and adds the answers to the sources, so that both go one way.
 * What is there already, a management token in the env file or a provider key, is not asked for.
 */
export async function askForSettings(
  prompter: Prompter,
  config: Config,
  sources: Sources,
  there: { readonly keepsToken: boolean; readonly hasKey: boolean },
): Promise<Sources> {
  const askSecret = async (before: Sources, key: "managementToken" | "openaiApiKey", text: string) => {
    const answer = await ask(prompter, key, text);
    return answer === "" ? before : withSecret(before, key, answer);
  };
  const askFlag = async (before: Sources, key: SettingKey, text: string): Promise<Sources> => {
    const now = settings[key].kind.format(config[key] as never);
    const answer = await ask(prompter, key, text, now);
    return answer === now ? before : { ...before, flags: { ...before.flags, [key]: answer } };
  };

  let given = sources;
  if (!there.keepsToken)
    given = await askSecret(given, "managementToken", "Management token (Enter makes one)");
  given = await askFlag(given, "databasePath", "Database file");
  given = await askFlag(given, "listenAddr", "Listen address");
  if (!(await prompter.confirm("Create a project and a token?"))) {
    return { ...given, flags: { ...given.flags, skipProject: true } };
  }
  if (!there.hasKey) given = await askSecret(given, "openaiApiKey", "Provider key");
  given = await askFlag(given, "project", "Project name");
  return await askFlag(given, "durationHours", "Hours the token lives");
}

async function ask(prompter: Prompter, key: SettingKey, text: string, fallback = ""): Promise<string> {
  const { kind } = settings[key];
  const secret = kind.nature === "secret";
  return await prompter.ask({
    text: secret ? `${text}, not shown` : text,
    fallback,
    parse: (answer) => kind.parse(answer),
    secret,
  });
}
