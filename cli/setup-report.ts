import { type CliIo, printJson } from "./output.ts";
import type { EnvFilePlan } from "./setup-plan.ts";
import type { SetupProject, SetupToken } from "./setup-project.ts";

/** The project, its new token and a request to try it. */
export interface MadeProject {
  readonly project: SetupProject;
  readonly token: SetupToken;
  readonly curl: string;
}

/** What `setup` did. */
export interface SetupResult {
  readonly envFile: string;
  readonly databasePath: string;
  readonly managementToken: EnvFilePlan["tokenOrigin"];
  /** Only where it is to be shown. */
  readonly managementTokenText: string | undefined;
  readonly serverCommand: string;
  readonly made: MadeProject | undefined;
}

/** Results on stdout, what happened on stderr; as JSON one document and nothing else on stdout. */
export function report(result: SetupResult, asJson: boolean, io: CliIo): void {
  io.stderr.write(`${happenings(result).join("\n")}\n`);
  if (asJson) printJson(io, jsonOf(result));
  else io.stdout.write(textOf(result));
}

function happenings({ envFile, databasePath, managementToken, made }: SetupResult): string[] {
  const token = { kept: "is as it was", taken: "was stored", made: "was made and stored" }[managementToken];
  const lines = [`The management token ${token} in ${envFile}`, `The database ${databasePath} is ready`];
  if (made === undefined) return lines;
  const { name, provider, isNew } = made.project;
  lines.push(
    isNew
      ? `Project ${name} was made, its provider is ${provider}`
      : `Project ${name} was there already: it keeps its keys and its provider ${provider}, and has one more token now`,
  );
  return lines;
}

function textOf({ managementTokenText, serverCommand, made }: SetupResult): string {
  const lines = managementTokenText === undefined ? [] : [`Management token: ${managementTokenText}`];
  if (made !== undefined) {
    lines.push(
      `Token: ${made.token.text}`,
      `Expires at: ${made.token.expiresAt}`,
      "The token is shown only now.",
    );
  }
  lines.push("", `Start the server:  ${serverCommand}`);
  if (made !== undefined) lines.push("Then try:", "", made.curl);
  return `${lines.join("\n").trimStart()}\n`;
}

function jsonOf({ envFile, databasePath, managementTokenText, made }: SetupResult): unknown {
  return {
    env_file: envFile,
    database_path: databasePath,
    ...(managementTokenText !== undefined && { management_token: managementTokenText }),
    ...(made !== undefined && {
      project: { id: made.project.id, name: made.project.name, provider: made.project.provider },
      token: { id: made.token.id, token: made.token.text, expires_at: made.token.expiresAt },
      curl: made.curl,
    }),
  };
}
