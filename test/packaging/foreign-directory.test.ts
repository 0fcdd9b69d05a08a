import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../harness/free-port.ts";
import { runCli } from "../harness/proxy-process.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../harness/temporary-directory.ts";
import { binary } from "./binary.ts";

const evilToken = "evil-management-token-evil-management-token";

/** Everything by which a directory could steer a Bun program that is started in it. */
function hostileDirectory(): TemporaryDirectory {
  const directory = temporaryDirectory();
  const marker = JSON.stringify(join(directory.path, "marker"));
  const environment = [
    `MANAGEMENT_TOKEN=${evilToken}`,
    "DATABASE_URL=sqlite:evil.db",
    "DATABASE_PATH=evil.db",
    "DATA_DIR=evil",
    "LOG_LEVEL=debug",
  ].join("\n");
  const files = {
    ".env": environment,
    ".env.local": environment,
    ".env.production": environment,
    ".env.development": environment,
    "evil.ts": `import { writeFileSync } from "node:fs";\nwriteFileSync(${marker}, "was here");\n`,
    "bunfig.toml": 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n',
    "tsconfig.json":
      '{"compilerOptions": {"baseUrl": ".", "paths": {"citty": ["./evil.ts"], "elysia": ["./evil.ts"]}}}',
    "package.json": '{"name": "evil", "type": "commonjs", "main": "evil.ts", "imports": {"#*": "./evil.ts"}}',
    "node_modules/citty/index.js": `require("node:fs").writeFileSync(${marker}, "was here");`,
    "node_modules/citty/package.json": '{"name": "citty", "main": "index.js"}',
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory.path, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  }
  return directory;
}

function expectUntouched(directory: TemporaryDirectory, before: readonly string[]): void {
  expect(readdirSync(directory.path).sort()).toEqual([...before].sort());
}

test("CFG-103 the directory is hostile: it does steer Bun itself", () => {
  using directory = hostileDirectory();
  const script = join(directory.path, "innocent.ts");
  writeFileSync(script, 'process.stdout.write(process.env["MANAGEMENT_TOKEN"] ?? "none");');
  const { stdout } = Bun.spawnSync([process.execPath, script], { cwd: directory.path, env: {} });
  expect(stdout.toString()).toBe(evilToken);
  expect(existsSync(join(directory.path, "marker"))).toBe(true);
});

test.each([[["--version"]], [["server", "--help"]], [["config", "show"]], [["migrate", "status"]]])(
  "CFG-103 %p reads nothing of a stranger's directory",
  async (args) => {
    using directory = hostileDirectory();
    using data = temporaryDirectory();
    const before = readdirSync(directory.path);
    const ran = await runCli(args, { cwd: directory.path, env: { DATA_DIR: data.path } });
    expect(`${ran.stdout}${ran.stderr}`).not.toContain("evil");
    expectUntouched(directory, before);
  },
);

test("CFG-103 a server takes no management token from a stranger's .env", async () => {
  using directory = hostileDirectory();
  using data = temporaryDirectory();
  const before = readdirSync(directory.path);
  const ran = await runCli(["server"], {
    cwd: directory.path,
    env: { DATA_DIR: data.path, LISTEN_ADDR: `127.0.0.1:${await freePort()}` },
  });
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain("MANAGEMENT_TOKEN");
  expectUntouched(directory, before);
});

test("CFG-103 a server in a stranger's directory serves with its own settings", async () => {
  using directory = hostileDirectory();
  using data = temporaryDirectory();
  const before = readdirSync(directory.path);
  const port = await freePort();
  const ownToken = "own-management-token-own-management-token";
  const server = Bun.spawn([binary, "server"], {
    cwd: directory.path,
    env: { DATA_DIR: data.path, LISTEN_ADDR: `127.0.0.1:${port}`, MANAGEMENT_TOKEN: ownToken },
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    for await (const piece of server.stdout) if (Buffer.from(piece).includes("listening")) break;
    const statusFor = async (token: string): Promise<number> =>
      (
        await fetch(`http://127.0.0.1:${port}/manage/projects`, {
          headers: { authorization: `Bearer ${token}` },
        })
      ).status;
    expect([await statusFor(ownToken), await statusFor(evilToken)]).toEqual([200, 401]);
    expect(readdirSync(data.path)).toContain("llm-proxy.db");
  } finally {
    server.kill();
    await server.exited;
  }
  expectUntouched(directory, before);
});
