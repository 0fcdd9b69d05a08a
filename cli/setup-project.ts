import type { App } from "../src/app.ts";
import type { Secret } from "../src/secret.ts";
import { CommandError } from "./output.ts";

/** The management API of this process, as the commands of `setup` need it. */
export interface ProjectMaker {
  /** Makes the project, or finds the one of that name, whose keys it leaves as they are. */
  ensureProject(wanted: WantedProject): Promise<SetupProject>;
  issueToken(projectId: string, durationHours: number): Promise<SetupToken>;
}

export interface WantedProject {
  readonly name: string;
  readonly provider: string;
  readonly key: Secret | undefined;
}

export interface SetupProject {
  readonly id: string;
  readonly name: string;
  readonly provider: string;
  readonly isNew: boolean;
}

export interface SetupToken {
  readonly id: string;
  readonly text: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

interface ProjectBody {
  readonly id: string;
  readonly name: string;
  readonly provider: string;
}

/** Speaks to the app without a socket. Every method throws {CommandError} with the API's own words. */
export function createProjectMaker(app: Pick<App, "manage">): ProjectMaker {
  async function call(method: string, path: string, body?: unknown): Promise<Response> {
    return await app.manage(
      new Request(`http://localhost/manage${path}`, {
        method,
        ...(body !== undefined && {
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      }),
    );
  }

  return {
    async ensureProject({ name, provider, key }) {
      const answer = await call("POST", "/projects", {
        name,
        provider,
        ...(key !== undefined && { api_key: key.reveal() }),
      });
      if (answer.status !== 409) return { ...(await read<ProjectBody>(answer)), isNew: true };
      const same = await read<readonly ProjectBody[]>(
        await call("GET", `/projects?search=${encodeURIComponent(name)}`),
      );
      const found = same.find((project) => project.name === name);
      if (found === undefined) throw new CommandError(`Project '${name}' exists and is not found, try again`);
      return { ...found, isNew: false };
    },
    async issueToken(projectId, durationHours) {
      const body = { project_id: projectId, duration_minutes: durationHours * 60 };
      const made = await read<{ id: string; token: string; expires_at: string }>(
        await call("POST", "/tokens", body),
      );
      return { id: made.id, text: made.token, expiresAt: made.expires_at };
    },
  };
}

async function read<T>(answer: Response): Promise<T> {
  const body = (await answer.json()) as T & { error?: string; description?: string; code?: string };
  if (answer.ok) return body;
  const { error = `status ${answer.status}`, description } = body;
  throw new CommandError(description === undefined ? error : `${error}: ${description}`);
}
