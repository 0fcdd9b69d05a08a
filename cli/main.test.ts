import { describe, expect, test } from "bun:test";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { openTree } from "./command-tree.ts";
import { openProgram, runMain } from "./main.ts";
import { type CliIo, OutputError } from "./output.ts";

async function run(line: string, given: Parameters<typeof recordedIo>[0] = {}) {
  const io = recordedIo(given);
  const code = await runMain(line === "" ? [] : line.split(" "), io);
  return { code, out: io.out(), err: io.err() };
}

function failingIo(code: string): ReturnType<typeof recordedIo> {
  const write = (): never => {
    throw new OutputError(code);
  };
  return { ...recordedIo(), stdout: { isTTY: false, write } };
}

describe("CLI-102: exit codes, and what goes where", () => {
  test.each(["--version", "-V", "-v"])("%s prints the version", async (flag) => {
    expect(await run(flag)).toEqual({ code: 0, out: "llm-proxy 0.0.0-dev\n", err: "" });
  });

  test("version --json prints one document", async () => {
    const { code, out, err } = await run("version --json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(out)).toEqual({
      version: "0.0.0-dev",
      commit: "unknown",
      bun: Bun.version,
      platform: `${process.platform}-${process.arch}`,
    });
  });

  test.each(["chat -m hello", "benchmark --base-url http://127.0.0.1:1 --endpoint /v1/x --json {}"])(
    "%s reads the environment that it is given",
    async (line) => {
      const environment = { PROXY_TOKEN: "sk-wt-example", PROXY_URL: "http://127.0.0.1:1" };
      const { code, err } = await run(line, { environment });
      expect(code).toBe(1);
      expect(err).not.toContain("No token");
    },
  );

  test("version tells people the same", async () => {
    const { out } = await run("version");
    expect(out).toMatch(
      /^llm-proxy 0\.0\.0-dev\nCommit: +unknown\nBun: +\d+\.\d+\.\d+\nPlatform: +\S+-\S+\n$/,
    );
  });

  test.each([
    ["", "Usage: llm-proxy <command>"],
    ["manage", "Usage: llm-proxy manage <command>"],
    ["manage token", "Usage: llm-proxy manage token <command>"],
    ["completion", "Usage: llm-proxy completion <command>"],
    [
      "managr",
      "Error: llm-proxy has no command 'managr' (did you mean manage?)\nllm-proxy --help lists them\n",
    ],
    ["manage tokn", "Error: llm-proxy manage has no command 'tokn' (did you mean token?)\n"],
    ["manage token generat", "(did you mean generate?)"],
    ["help nothing", "Error: llm-proxy has no command 'nothing'\n"],
    ["sk-proj-abcdef0123456789", "Error: llm-proxy has no command of that name\n"],
    ["--nonsense server", "Error: llm-proxy has no flag --nonsense: name a command first\n"],
    ["-x", "Error: llm-proxy has no flag -x: name a command first\n"],
    ["--manage-api-base-url=http://h server", "llm-proxy server has no flag --manage-api-base-url"],
    [
      "version --jsn",
      "Error: llm-proxy version has no flag --jsn (did you mean --json?)\nllm-proxy version --help tells how it is used\n",
    ],
    ["version extra", "llm-proxy version takes no arguments"],
    ["manage token show", "Error: <id> is missing: Id of the token (UUID)\n"],
    ["manage token create", "Error: --project-id is missing: Id of the project (UUID)\n"],
    ["manage token create --project-id x --duration 1.5", "Error: --duration '1.5' is not a whole number"],
    [
      "manage token create --project-id x --duration 5 --expires-at 2030-01-01T00:00:00Z",
      "exclude each other",
    ],
    ["manage token show sk-wt-abc", "Error: That is the text of a token"],
    ["manage token revoke sk-wt-abc", "Error: That is the text of a token"],
    ["manage token update sk-wt-abc", "Error: That is the text of a token"],
    ["manage keys add --project-id x", "Error: No key: give --api-key -"],
    ["manage token list", "Error: No management token: set MANAGEMENT_TOKEN"],
  ])("'%s' is wrong usage: exit 2, told on stderr alone", async (line, text) => {
    const { code, out, err } = await run(line);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(text);
    expect(err).not.toMatch(/^\s+at /m);
  });

  test("a project is not deleted, and why is told", async () => {
    const { code, out, err } = await run("manage project delete 7b0f2a6e");
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("manage project deactivate");
  });

  test("a reader that went away is no failure, and nothing is said", async () => {
    const io = failingIo("EPIPE");
    expect(await runMain(["version"], io)).toBe(0);
    expect(io.err()).toBe("");
  });

  test("a full disk is a failure", async () => {
    const io = failingIo("ENOSPC");
    expect(await runMain(["version"], io)).toBe(1);
    expect(io.err()).toBe("Error: Cannot write to standard output (ENOSPC)\n");
  });

  describe("an error that nobody expected", () => {
    const broken = (environment: CliIo["environment"]) => {
      const write = (): never => {
        throw new TypeError("x is not a function");
      };
      return { ...recordedIo({ environment }), stdout: { isTTY: false, write } };
    };

    test("shows no stack trace", async () => {
      const io = broken({});
      expect(await runMain(["version"], io)).toBe(1);
      expect(io.err()).toBe(
        "Error: x is not a function\nThis was not expected: LOG_LEVEL=debug shows where it happened\n",
      );
    });

    test.each([{ LOG_LEVEL: "debug" }, { DEBUG: "1" }])(
      "shows where it happened with %p",
      async (environment) => {
        const io = broken(environment);
        expect(await runMain(["version"], io)).toBe(1);
        expect(io.err()).toMatch(/^\s+at /m);
      },
    );
  });
});

describe("CLI-104: help opens nothing", () => {
  test("every command has help, with an example", async () => {
    const nodes = await openTree(await openProgram());
    expect(nodes.length).toBeGreaterThan(40);
    for (const { path, example } of nodes) {
      const words = path.split(" ").slice(1).join(" ");
      const { code, out, err } = await run(`${words} --help`.trim());
      expect({ path, code, err }).toEqual({ path, code: 0, err: "" });
      expect(out).toContain(`Usage: ${path}`);
      expect({ path, example }).toEqual({ path, example: expect.stringContaining("llm-proxy") });
      expect(out).toContain(`Example:\n  ${example}`);
    }
  });

  test("commands that are not there yet are not listed", async () => {
    const { out } = await run("--help");
    expect(out).not.toMatch(/^ {2}(?:dispatcher|admin)\b/m);
  });

  test.each([
    "help manage token",
    "manage token --help",
    "manage token -h",
    "-h manage token",
    "manage help token",
  ])("%s", async (line) => {
    const { code, out } = await run(line);
    if (line === "manage help token") expect(code).toBe(2);
    else expect(out).toContain("Usage: llm-proxy manage token <command>");
  });

  test("openai chat is chat under another name", async () => {
    const { out } = await run("openai chat --help");
    expect(out).toContain("Usage: llm-proxy openai chat [flags]");
    expect(out).toContain("--message");
  });

  test("help holds no value of the environment (CLI-101)", async () => {
    const secret = "s3cr3t-canary-value";
    const environment = { MANAGEMENT_TOKEN: secret, PROXY_TOKEN: secret, OPENAI_API_KEY: secret };
    for (const { path } of await openTree(await openProgram())) {
      const { out } = await run(`${path.split(" ").slice(1).join(" ")} --help`.trim(), { environment });
      expect(out).not.toContain(secret);
    }
  });

  test("no output has colours, with or without a terminal", async () => {
    expect((await run("--help", { isTTY: true })).out).not.toContain("\u001b");
  });

  test("a command has no two flags of one spelling", async () => {
    for (const { path, args } of await openTree(await openProgram())) {
      const names = Object.entries(args).flatMap(([name, def]) =>
        "alias" in def ? [name, ...[def.alias ?? []].flat()] : [name],
      );
      expect({ path, names: names.toSorted() }).toEqual({ path, names: [...new Set(names)].toSorted() });
      expect(names).not.toContain("help");
      expect(names).not.toContain("h");
    }
  });
});
