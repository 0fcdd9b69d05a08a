import { expect, test } from "bun:test";
import { join } from "node:path";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { printDetails, printJson, printTable, processIo } from "./output.ts";

const main = join(import.meta.dir, "main.ts");

async function shell(script: string) {
  const child = Bun.spawn(["bash", "-c", script], {
    env: { ...process.env, RUN: `${process.execPath} ${main}` },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

test("CLI-102: a broken pipe ends quietly", async () => {
  const { out, err, code } = await shell("$RUN completion zsh | head -1; exit $" + "{PIPESTATUS[0]}");
  expect({ out, err, code }).toEqual({ out: "#compdef llm-proxy\n", err: "", code: 0 });
});

test.skipIf(process.platform !== "linux")("CLI-102: a write error is a failure", async () => {
  const { err, code } = await shell("$RUN version > /dev/full");
  expect({ err, code }).toEqual({ err: "Error: Cannot write to standard output (ENOSPC)\n", code: 1 });
});

test("a slow reader gets all of a long output", async () => {
  const { out } = await shell("$RUN completion zsh | (sleep 0.3; wc -c)");
  expect(Number(out)).toBeGreaterThan(20_000);
});

test("this process speaks by its own streams", () => {
  const io = processIo();
  io.stdout.write("");
  io.stderr.write("");
  expect(io.cwd).toBe(process.cwd());
  expect(io.environment["PATH"]).toBe(process.env["PATH"]);
});

test("JSON is indented by two blanks", () => {
  const io = recordedIo();
  printJson(io, [{ id: 1 }]);
  expect(io.out()).toBe('[\n  {\n    "id": 1\n  }\n]\n');
});

test("a table is as wide as its columns ask for, or their cells", () => {
  const io = recordedIo();
  printTable(
    io,
    [{ title: "ID", width: 4 }, { title: "Name" }, { title: "On" }],
    [
      ["1", "wide 表", "yes"],
      ["22222", "b", ""],
    ],
  );
  expect(io.out()).toBe("ID     Name     On\n1      wide 表  yes\n22222  b\n");
});

test("what moves a terminal's cursor is not printed", () => {
  const io = recordedIo();
  printTable(io, [{ title: "Name" }], [["a\u001b[2Jb\nc"]]);
  printDetails(io, [["Name", "x\u0007y"]]);
  expect(io.out()).toBe("Name\na\ufffd[2Jb\ufffdc\nName: x\ufffdy\n");
});
