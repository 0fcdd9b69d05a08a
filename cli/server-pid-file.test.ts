import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { readPidFile, removePidFile, writePidFile } from "./server-pid-file.ts";

test("a pid file is written whole into a directory that is made for it, and nothing stays beside it", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "run/llm-proxy/server.pid");
  writePidFile(path, 4711);
  expect(readFileSync(path, "utf8")).toBe("4711\n");
  expect(readdirSync(dirname(path))).toEqual(["server.pid"]);
  expect(readPidFile(path)).toBe(4711);
});

test("a server removes its own pid file, but not that of a later one", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "server.pid");
  writePidFile(path, 2);
  removePidFile(path, 1);
  expect(readPidFile(path)).toBe(2);
  removePidFile(path, 2);
  expect(existsSync(path)).toBe(false);
  removePidFile(path, 2);
});

test.each(["", "12", "x\n", "-1\n", "12\n13\n"])("a file that holds %j names no process", (text) => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "server.pid");
  writeFileSync(path, text);
  expect(readPidFile(path)).toBeUndefined();
});
