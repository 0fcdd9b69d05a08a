import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

test("a quick round measures every target under every traffic and writes the page", async () => {
  const output = mkdtempSync(join(tmpdir(), "llm-proxy-bench-test-"));
  try {
    const bench = Bun.spawn(
      [process.execPath, join(import.meta.dirname, "run.ts"), "--quick", "--output", output],
      {
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const [said, complained, code] = await Promise.all([
      new Response(bench.stdout).text(),
      new Response(bench.stderr).text(),
      bench.exited,
    ]);
    expect({ code, complained }).toEqual({ code: 0, complained: "" });

    const [file] = readdirSync(output);
    expect(file).toMatch(/^\d{4}-\d\d-\d\d\.md$/);
    const page = readFileSync(join(output, file!), "utf8");
    for (const text of [said, page]) {
      for (const target of ["direct", "nginx", "bare relay", "llm-proxy"]) {
        const rows = text.split("\n").filter((line) => line.startsWith(`| ${target} `) && line.includes("–"));
        expect([target, rows.length]).toEqual([target, 3]);
      }
      expect(text).not.toContain("NaN");
    }
    expect(page).not.toContain(tmpdir());
  } finally {
    rmSync(output, { recursive: true });
  }
}, 90_000);
