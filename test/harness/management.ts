import { randomBytes } from "node:crypto";

/** What the management API said. */
export interface ManageAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed body; undefined if it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by tests, which say what they expect
  readonly json: any;
}

/** The management API of a server under test, with its provider `lab`. */
export interface Management {
  /** A call with the management token. @param path below `/manage`, such as `/projects` */
  manage(method: string, path: string, body?: unknown): Promise<ManageAnswer>;
  /** A project of the provider `lab`. @throws {Error} with status and body when it is refused */
  newProject(fields?: Readonly<Record<string, unknown>>): Promise<ManageAnswer["json"]>;
  /** A token for one hour. @throws {Error} with status and body when it is refused */
  newToken(projectId: string, fields?: Readonly<Record<string, unknown>>): Promise<ManageAnswer["json"]>;
}

/** @param providerKey the key that `newProject` seals */
export function managementOf(origin: string, token: string, providerKey: string): Management {
  const manage: Management["manage"] = async (method, path, body) => {
    const response = await fetch(`${origin}/manage${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parseJson(text) };
  };
  return {
    manage,
    newProject: (fields) => {
      const name = `project-${randomBytes(4).toString("hex")}`;
      return created(manage("POST", "/projects", { name, provider: "lab", api_key: providerKey, ...fields }));
    },
    newToken: (projectId, fields) =>
      created(manage("POST", "/tokens", { project_id: projectId, duration_minutes: 60, ...fields })),
  };
}

/** A provider file whose default `lab` allows everything. @param providers more YAML below `apis:` */
export function labProviders(upstream: string, providers = ""): string {
  return `default_api: lab
apis:
  lab:
    base_url: ${upstream}
    allowed_methods: [GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS]
    allowed_endpoints: ["/*"]
${providers}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function created(answer: Promise<ManageAnswer>): Promise<ManageAnswer["json"]> {
  const { status, text, json } = await answer;
  if (status !== 201) throw new Error(`Not created: ${status} ${text}`);
  return json;
}
