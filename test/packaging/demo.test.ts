import { expect, test } from "bun:test";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../harness/free-port.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { binary, projectRoot } from "./binary.ts";

function start(command: readonly string[], env: Readonly<Record<string, string>>) {
  const child = Bun.spawn([...command], {
    cwd: projectRoot,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return {
    child,
    said: () => Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]),
  };
}

test("the demo shows the whole idea within 20 seconds and leaves nothing behind", async () => {
  using temporary = temporaryDirectory();
  const { child, said } = start(["sh", "deploy/demo.sh", binary], { TMPDIR: temporary.path });
  const [stdout, stderr] = await said();
  expect([await child.exited, stderr]).toEqual([0, expect.not.stringContaining("failed")]);
  for (const shown of [
    "sk-wt-",
    "I am the stand-in provider",
    "gpt-4.1-mini",
    "is revoked",
    "token_inactive",
  ]) {
    expect(stdout).toContain(shown);
  }
  expect(readdirSync(temporary.path)).toEqual([]);
}, 20_000);

test("the demo cleans up when it is stopped in the middle", async () => {
  using temporary = temporaryDirectory();
  const { child } = start(["sh", "deploy/demo.sh", binary], { TMPDIR: temporary.path });
  const reader = child.stdout.getReader();
  let said = "";
  while (!said.includes("2. The proxy")) {
    const { value, done } = await reader.read();
    if (done) break;
    said += Buffer.from(value).toString();
  }
  child.kill("SIGTERM");
  expect(await child.exited).toBe(143);
  expect(readdirSync(temporary.path)).toEqual([]);
}, 20_000);

test("make run sets up what is not there, serves, and stops when it is told to", async () => {
  using temporary = temporaryDirectory();
  const data = join(temporary.path, "data");
  const port = await freePort();
  const { child, said } = start(["sh", ".ci/serve.sh", binary], {
    DATA_DIR: data,
    LISTEN_ADDR: `127.0.0.1:${port}`,
  });
  const health = async (): Promise<number | undefined> =>
    (await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined))?.status;
  while ((await health()) !== 200 && child.exitCode === null) await Bun.sleep(50);
  expect(statSync(join(data, "llm-proxy.env")).mode & 0o777).toBe(0o600);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect(await health()).toBeUndefined();
  const [stdout] = await said();
  expect(stdout).toMatch(/^Management token: [0-9a-f]{64}$/m);
  expect(stdout).toContain(`curl -N 'http://127.0.0.1:${port}/v1/chat/completions'`);
  expect(existsSync(join(data, "encryption.key"))).toBe(true);
}, 30_000);
