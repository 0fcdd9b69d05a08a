import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createApp } from "../src/app.ts";
import { newCanary } from "../test/harness/canary.ts";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { loadStore } from "./config-flags.ts";
import { CommandError, UsageError } from "./output.ts";
import { type SetupOptions, setUp } from "./setup.ts";

/** A directory to set up in, with a provider that wants a key, one of another dialect and one that wants none. */
function place() {
  const directory = temporaryDirectory();
  const providers = join(directory.path, "providers.yaml");
  writeFileSync(
    providers,
    `default_api: openai
apis:
  openai: { base_url: "http://127.0.0.1:1", allowed_methods: [POST], allowed_endpoints: ["/*"] }
  claude: { base_url: "http://127.0.0.1:1", dialect: anthropic, allowed_methods: [POST], allowed_endpoints: ["/*"] }
  mock: { base_url: "http://127.0.0.1:1", auth: none, allowed_methods: [POST], allowed_endpoints: ["/*"] }
`,
  );
  const data = join(directory.path, "data");
  const environment = { DATA_DIR: data, API_CONFIG_PATH: providers };
  const run = async (options: Partial<SetupOptions> = {}, more: Parameters<typeof recordedIo>[0] = {}) => {
    const io = recordedIo({
      cwd: directory.path,
      ...more,
      environment: { ...environment, ...more.environment },
    });
    await setUp({ flags: {}, showSecrets: false, json: false, ...options }, io);
    return io;
  };
  return {
    path: directory.path,
    data,
    environment,
    envFile: join(data, "llm-proxy.env"),
    run,
    env: () => readFileSync(join(data, "llm-proxy.env"), "utf8"),
    /** A call of the management API on what was set up. */
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by tests, which say what they expect
    async manage(path: string): Promise<any> {
      const app = await createApp(loadStore({}, environment, directory.path), { offline: true });
      if (!app.ok) throw new Error(app.error.message);
      const answer = await app.value.manage(new Request(`http://localhost/manage${path}`));
      await app.value.close();
      return await answer.json();
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

const withKey = { environment: { OPENAI_API_KEY: "sk-provider-0123456789" } };

describe("setup", () => {
  test("leaves a file, a project and a token, and prints the token once with a request to try", async () => {
    using here = place();
    const key = newCanary("provider-key");
    const io = await here.run(
      { flags: { project: "team-a", durationHours: "2" } },
      { environment: { OPENAI_API_KEY: key } },
    );
    const [, token] = /^Token: (sk-wt-\S+)$/m.exec(io.out()) ?? [];
    expect(io.out()).toContain(`-H 'Authorization: Bearer ${token}'`);
    expect(io.out()).toContain("curl -N 'http://localhost:8080/v1/chat/completions'");
    expect(io.out()).toContain("Start the server:  llm-proxy server\n");
    expect(statSync(here.envFile).mode & 0o777).toBe(0o600);
    expect(here.env()).toMatch(
      /^MANAGEMENT_TOKEN=[0-9a-f]{64}\nLISTEN_ADDR=localhost:8080\nLOG_LEVEL=info\n/m,
    );

    const [project] = await here.manage("/projects");
    expect(project).toMatchObject({ name: "team-a", provider: "openai", is_active: true });
    const [made] = await here.manage("/tokens");
    expect(made.project_id).toBe(project.id);
    const hours = (Date.parse(made.expires_at) - Date.parse(made.created_at)) / 3_600_000;
    expect(hours).toBe(2);

    const written = io.out() + io.err() + here.env();
    expect(written).not.toContain(key);
    const management = /MANAGEMENT_TOKEN=(\S+)/.exec(here.env())?.[1] ?? "?";
    expect(io.out() + io.err()).not.toContain(management);
  });

  test("shows the management token that it made where that is asked for, and only then", async () => {
    using here = place();
    const first = await here.run({ flags: { skipProject: true }, showSecrets: true });
    const management = /MANAGEMENT_TOKEN=(\S+)/.exec(here.env())?.[1] ?? "?";
    expect(first.out()).toContain(`Management token: ${management}\n`);
    const second = await here.run({ flags: { skipProject: true }, showSecrets: true });
    expect(second.out() + second.err()).not.toContain(management);
    expect(await here.manage("/projects")).toEqual([]);
  });

  test("run twice changes nothing that is there: file, tokens and encryption key stay (CLI-103)", async () => {
    using here = place();
    await here.run({}, withKey);
    const before = here.env();
    const key = readFileSync(join(here.data, "encryption.key"), "utf8");
    const [project] = await here.manage("/projects");

    const again = await here.run(
      {},
      {
        environment: {
          OPENAI_API_KEY: "sk-another-0123456789",
          MANAGEMENT_TOKEN: "0123456789abcdef0123456789abcdef",
        },
      },
    );
    expect(here.env()).toBe(before);
    expect(readFileSync(join(here.data, "encryption.key"), "utf8")).toBe(key);
    expect(await here.manage("/projects")).toEqual([{ ...project, updated_at: expect.any(String) }]);
    expect(await here.manage("/tokens")).toHaveLength(2);
    expect(again.err()).toContain("was there already: it keeps its keys");
    expect(again.err()).toContain("has a management token, which stays");
  });

  test("keeps comments and unknown names, and changes what a flag says", async () => {
    using here = place();
    mkdirSync(here.data);
    writeFileSync(here.envFile, "# mine\nMANAGEMENT_TOKEN=\nLISTEN_ADDR=:9000\nFOO=bar\n", { mode: 0o644 });
    await here.run({ flags: { skipProject: true, listenAddr: ":9001", databasePath: "other.db" } });
    expect(here.env()).toMatch(
      /^# mine\nMANAGEMENT_TOKEN=[0-9a-f]{64}\nLISTEN_ADDR=0.0.0.0:9001\nFOO=bar\nDATABASE_PATH=.*other\.db\nLOG_LEVEL=info\n$/,
    );
    expect(statSync(here.envFile).mode & 0o777).toBe(0o600);
    expect(existsSync(join(here.path, "other.db"))).toBe(true);
  });

  test("stores a management token that it is given", async () => {
    using here = place();
    const MANAGEMENT_TOKEN = "given-0123456789abcdef0123456789";
    const io = await here.run({ flags: { skipProject: true } }, { environment: { MANAGEMENT_TOKEN } });
    expect(here.env()).toContain(`MANAGEMENT_TOKEN=${MANAGEMENT_TOKEN}\n`);
    expect(io.err()).toContain("The management token was stored in");
  });

  test("closes an env file to others even where nothing else is to be done", async () => {
    using here = place();
    await here.run({ flags: { skipProject: true } });
    chmodSync(here.envFile, 0o644);
    const io = await here.run({ flags: { skipProject: true } });
    expect(statSync(here.envFile).mode & 0o777).toBe(0o600);
    expect(io.err()).toContain("Other users could read");
  });

  test("writes a file elsewhere with the data directory in it, and says how to start with it", async () => {
    using here = place();
    const envFile = join(here.path, "etc/proxy.env");
    const io = await here.run({ flags: { envFile, skipProject: true } });
    expect(readFileSync(envFile, "utf8")).toContain(`DATA_DIR=${here.data}\n`);
    expect(io.out()).toContain(`llm-proxy server --env ${envFile}\n`);
    const before = readFileSync(envFile, "utf8");
    await here.run({ flags: { envFile, skipProject: true } });
    expect(readFileSync(envFile, "utf8")).toBe(before);
  });

  test("as JSON prints one document", async () => {
    using here = place();
    const io = await here.run({ json: true, provider: "mock" });
    const document = JSON.parse(io.out());
    expect(document).toMatchObject({
      env_file: here.envFile,
      project: { name: "DefaultProject", provider: "mock" },
      token: { token: expect.stringMatching(/^sk-wt-/), expires_at: expect.any(String) },
      curl: expect.stringContaining("curl"),
    });
  });

  test("fits the request to try to the provider", async () => {
    using here = place();
    const io = await here.run({ provider: "claude" }, withKey);
    expect(io.out()).toContain("/v1/messages");
    expect(io.out()).toContain("-H 'x-api-key: sk-wt-");
  });

  test("takes the provider key from stdin or a file, and warns of one in a flag (CLI-101)", async () => {
    using here = place();
    const key = newCanary("provider-key");
    await here.run({ flags: { openaiApiKey: "-", project: "a" } }, { stdin: Readable.from([key, "\n"]) });
    const keyFile = join(here.path, "key");
    writeFileSync(keyFile, `${key}\n`);
    await here.run({ flags: { project: "b" }, apiKeyFile: "key" });
    const io = await here.run({ flags: { openaiApiKey: key, project: "c" } });
    expect(io.err()).toContain("--openai-key shows in the list of processes");
    expect(io.err() + io.out()).not.toContain(key);
    const projects = await here.manage("/projects");
    expect(projects.map((project: { name: string; api_key: string }) => project.name)).toEqual([
      "a",
      "b",
      "c",
    ]);
    expect(new Set(projects.map((project: { api_key: string }) => project.api_key)).size).toBe(1);
  });

  test.each([
    ["no key for a provider that needs one", {}, UsageError, "needs a key"],
    [
      "an unknown provider",
      { provider: "opnai" },
      UsageError,
      "'opnai' is not known: choose one of openai, claude, mock",
    ],
    ["a wrong address", { flags: { listenAddr: "8o80", skipProject: true } }, CommandError, "--addr"],
    ["a key file that is not there", { apiKeyFile: "nowhere" }, CommandError, "OPENAI_API_KEY_FILE"],
  ])("with %s writes nothing", async (_, options, kind, text) => {
    using here = place();
    const fault = await here.run(options).catch((error) => error);
    expect(fault).toBeInstanceOf(kind);
    expect(fault.message).toContain(text);
    expect(readdirSync(here.path)).toEqual(["providers.yaml"]);
  });

  test("in a place that cannot be written says so and what to do", async () => {
    using here = place();
    writeFileSync(here.data, "a file where the directory should be");
    await expect(here.run({ flags: { skipProject: true } })).rejects.toThrow(
      /Cannot write .* choose another place/,
    );
  });
});

describe("setup that asks", () => {
  const lines = (...answers: string[]) => ({ stdin: Readable.from(answers.map((answer) => `${answer}\n`)) });
  const interactive = { flags: { interactive: true } };

  test("goes by the answers and asks again after a wrong one", async () => {
    using here = place();
    const key = newCanary("provider-key");
    const io = await here.run(interactive, lines("", "", "", "nonsense", ":9100", "y", key, "asked", "48"));
    expect(io.err()).toContain("Listen address [localhost:8080]: ");
    expect(io.err()).toContain("That is not an address");
    expect(here.env()).toContain("LISTEN_ADDR=0.0.0.0:9100\n");
    expect(await here.manage("/projects")).toMatchObject([{ name: "asked", provider: "openai" }]);
    const [token] = await here.manage("/tokens");
    expect(Date.parse(token.expires_at) - Date.parse(token.created_at)).toBe(48 * 3_600_000);
    expect(io.out() + io.err()).not.toContain(key);
    expect(io.err()).not.toContain("list of processes");
  });

  test("makes no project where none is wanted, and keeps a management token that is typed", async () => {
    using here = place();
    const typed = "typed-0123456789abcdef0123456789";
    await here.run(interactive, lines("", typed, "", "", "n"));
    expect(here.env()).toContain(`MANAGEMENT_TOKEN=${typed}\n`);
    expect(await here.manage("/projects")).toEqual([]);
  });

  test("does not ask for a management token that the file has, nor for a key that is given", async () => {
    using here = place();
    await here.run({ flags: { skipProject: true } });
    const io = await here.run(interactive, { ...lines("", "", "", "", "again", ""), ...withKey });
    expect(io.err()).not.toContain("Management token,");
    expect(io.err()).not.toContain("Provider key");
    expect(await here.manage("/projects")).toMatchObject([{ name: "again" }]);
  });

  test("that is left in the middle changes nothing", async () => {
    using here = place();
    await expect(here.run(interactive, lines("", ""))).rejects.toThrow("nothing was changed");
    expect(readdirSync(here.path)).toEqual(["providers.yaml"]);
  });
});
