import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { openTree } from "./command-tree.ts";
import { openProgram, runMain } from "./main.ts";

async function scriptOf(shell: string): Promise<string> {
  const io = recordedIo();
  expect(await runMain(["completion", shell], io)).toBe(0);
  return io.out();
}

describe("bash", () => {
  test("completes what may come at each place", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "completion.bash");
    writeFileSync(file, await scriptOf("bash"));
    const complete = (...words: string[]): string[] => {
      const typed = ["llm-proxy", ...words];
      const script = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _llm_proxy; printf '%s\\n' \${COMPREPLY[@]}; complete -p llm-proxy`;
      const run = Bun.spawnSync(["bash", "-c", script, "bash", file, ...typed]);
      expect(run.stderr.toString()).toBe("");
      const lines = run.stdout.toString().trim().split("\n");
      expect(lines.pop()).toBe("complete -o default -F _llm_proxy llm-proxy");
      return lines;
    };
    expect(Bun.spawnSync(["bash", "-n", file]).exitCode).toBe(0);
    expect(complete("ma")).toEqual(["manage"]);
    expect(complete("manage", "pro")).toEqual(["project"]);
    expect(complete("manage", "--json", "token", "re")).toEqual(["revoke", "revoke-all"]);
    expect(complete("manage", "token", "list", "--proj")).toEqual(["--project-id"]);
    expect(complete("chat", "-")).toContain("-m");
    expect(complete("manage", "token", "list", "nothing")).toEqual([]);
  });
});

test.each(["bash", "zsh", "fish"])("the script for %s knows every command", async (shell) => {
  const script = await scriptOf(shell);
  for (const { path } of (await openTree(await openProgram())).slice(1)) {
    expect(script).toContain(`'${path.split(" ").slice(1).join(" ")}'`);
  }
});

test.skipIf(Bun.which("zsh") === null)("zsh takes its script", async () => {
  expect(Bun.spawnSync(["zsh", "-n"], { stdin: Buffer.from(await scriptOf("zsh")) }).exitCode).toBe(0);
});

test.skipIf(Bun.which("fish") === null)("fish takes its script", async () => {
  expect(Bun.spawnSync(["fish", "-n"], { stdin: Buffer.from(await scriptOf("fish")) }).exitCode).toBe(0);
});
