import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../harness/temporary-directory.ts";

const exposureMax = 1.5;

async function analyze(args: readonly string[]): Promise<{ code: number; said: string }> {
  const child = Bun.spawn(["systemd-analyze", ...args], {
    env: { PATH: process.env["PATH"] ?? "", SYSTEMD_COLORS: "0", SYSTEMD_PAGER: "" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, said: said.join("") };
}

test.each(["llm-proxy.service", "llm-proxy-dispatcher.service"])(
  "OPS-103 systemd finds nothing wrong with %s and calls it little exposed",
  async (name) => {
    using directory = temporaryDirectory();
    const unit = join(directory.path, name);
    const text = readFileSync(join(import.meta.dirname, "../../deploy", name), "utf8");
    // The program has to exist for `verify`; that of the unit is not installed here.
    writeFileSync(unit, text.replace("/usr/local/bin/llm-proxy", "/bin/true"));
    expect(await analyze(["verify", "--man=no", unit])).toEqual({ code: 0, said: "" });

    const { said } = await analyze(["security", "--offline=true", "--no-pager", unit]);
    const exposure = Number(/Overall exposure level for .*: ([\d.]+)/.exec(said)?.[1]);
    expect(exposure).toBeLessThanOrEqual(exposureMax);
  },
);
