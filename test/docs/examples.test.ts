import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../harness/free-port.ts";
import { runCli } from "../harness/proxy-process.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { binary } from "../packaging/binary.ts";
import { type Page, pages, runnableBlocks } from "./pages.ts";

const documented = pages.filter(({ text }) => runnableBlocks(text).length > 0);

/** What a reader has after `make run`: a server that was set up in this directory, and the stand-in provider. */
async function startForReader(directory: string) {
  const [serverPort, mockPort] = [await freePort(), await freePort()];
  mkdirSync(join(directory, "bin"));
  symlinkSync(binary, join(directory, "bin/llm-proxy"));
  mkdirSync(join(directory, "config"));
  writeFileSync(
    join(directory, "config/api_providers.yaml"),
    `apis: {mock: {base_url: "http://127.0.0.1:${mockPort}", auth: none, allowed_methods: [GET, POST], allowed_endpoints: ["/*"]}}\n`,
  );
  const addr = `localhost:${serverPort}`;
  const setUp = await runCli(["setup", "--provider", "mock", "--addr", addr, "--json"], { cwd: directory });
  expect([setUp.code, setUp.stderr]).toEqual([0, expect.any(String)]);
  const children = [["mock", "--addr", `127.0.0.1:${mockPort}`, "--quiet"], ["server"]].map((args) =>
    Bun.spawn([binary, ...args], { cwd: directory, env: {}, stdout: "ignore", stderr: "pipe" }),
  );
  const ready = () =>
    fetch(`http://${addr}/ready`)
      .then((answer) => answer.ok)
      .catch(() => false);
  while (!(await ready()) && children.every(({ exitCode }) => exitCode === null)) await Bun.sleep(25);
  return {
    token: String(JSON.parse(setUp.stdout).token.token),
    /** The pages name the default ports; tests use free ones. */
    withPorts: (text: string) =>
      text.replaceAll("localhost:8080", addr).replaceAll("127.0.0.1:9000", `127.0.0.1:${mockPort}`),
    serverUrl: `http://${addr}`,
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(children.map(({ exited }) => exited));
    },
  };
}

async function runBlocks({ text }: Page): Promise<void> {
  using directory = temporaryDirectory();
  await using reader = await startForReader(directory.path);
  for (const block of runnableBlocks(text)) {
    // An answer that tells of an error is a failure here; for curl alone it is an answer.
    const script = `set -eu\ncurl() { command curl -sS --fail-with-body "$@"; }\n${reader.withPorts(block)}`;
    const shell = Bun.spawn(["sh", "-c", script], {
      cwd: directory.path,
      env: {
        PATH: `${join(directory.path, "bin")}:${process.env["PATH"]}`,
        HOME: directory.path,
        PROXY_TOKEN: reader.token,
        PROXY_URL: reader.serverUrl,
        MANAGEMENT_API_BASE_URL: reader.serverUrl,
        LISTEN_ADDR: reader.serverUrl.replace("http://", ""),
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = await Promise.all([new Response(shell.stdout).text(), new Response(shell.stderr).text()]);
    expect([block, await shell.exited, said.join("")]).toEqual([block, 0, expect.any(String)]);
  }
}

test.each(documented.map((page) => [page.file, page] as const))(
  "what %s tells to type works",
  (_file, page) => runBlocks(page),
  30_000,
);

test("the page that a newcomer reads first has something to run", () => {
  expect(documented.map(({ file }) => file)).toContain("README.md");
});
