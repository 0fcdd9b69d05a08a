import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TemporaryDirectory, temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { createLineWriter } from "./line-writer.ts";

let directory: TemporaryDirectory;
let path: string;

beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "log");
});
afterEach(() => directory[Symbol.dispose]());

function writerTo(open: () => number, waitingMax = 1_000) {
  const told = { lost: [] as number[], reopen: [] as unknown[] };
  const writer = createLineWriter({
    open,
    waitingMax,
    onLost: (lines) => told.lost.push(lines),
    onReopenFailure: (error) => told.reopen.push(error),
  });
  return { writer, told };
}

test("lines come out in order, and flush waits for them", async () => {
  const { writer } = writerTo(() => openSync(path, "a"));
  const lines = Array.from({ length: 50 }, (_, index) => `line ${index}\n`);
  for (const line of lines) writer.write(line);
  await writer.flush(1_000);
  expect(readFileSync(path, "utf8")).toBe(lines.join(""));
  await writer.flush(1_000); // nothing to wait for
});

test("what does not fit is dropped and counted, and told when writing works", async () => {
  const { writer, told } = writerTo(() => openSync(path, "a"), 30);
  for (let index = 0; index < 10; index++) writer.write("ten bytes\n");
  expect(writer.dropped()).toBe(7);
  await writer.flush(1_000);
  expect(told.lost).toEqual([7]);
  writer.write("again\n");
  await writer.flush(1_000);
  expect(told.lost).toEqual([7]);
  expect(readFileSync(path, "utf8")).toBe("ten bytes\nten bytes\nten bytes\nagain\n");
});

test("a destination that fails loses lines, counted, and is used again after it was opened anew", async () => {
  writeFileSync(path, "");
  const flags = ["r", "a"]; // the first descriptor cannot be written to
  const { writer, told } = writerTo(() => openSync(path, flags.shift() ?? ""));
  writer.write("lost\n");
  await writer.flush(1_000);
  expect([writer.dropped(), told.lost]).toEqual([1, []]);
  writer.reopen();
  writer.write("kept\n");
  await writer.flush(1_000);
  expect(told.lost).toEqual([1]);
  expect(readFileSync(path, "utf8")).toBe("kept\n");
});

test("after the file was moved away, reopening goes on in a new one", async () => {
  const { writer } = writerTo(() => openSync(path, "a"));
  writer.write("old\n");
  await writer.flush(1_000);
  renameSync(path, `${path}.1`);
  writer.write("still old\n");
  await writer.flush(1_000);
  writer.reopen();
  writer.write("new\n");
  await writer.flush(1_000);
  expect(readFileSync(`${path}.1`, "utf8")).toBe("old\nstill old\n");
  expect(readFileSync(path, "utf8")).toBe("new\n");
});

test("when opening anew fails, the old destination is kept and the failure is told", async () => {
  const places = [path, join(directory.path, "gone", "log")];
  const { writer, told } = writerTo(() => openSync(places.shift() ?? "", "a"));
  writer.reopen();
  writer.write("line\n");
  await writer.flush(1_000);
  expect(String(told.reopen[0])).toContain("ENOENT");
  expect(readFileSync(path, "utf8")).toBe("line\n");
});

test("flush gives up on a reader that takes nothing", async () => {
  const fifo = join(directory.path, "fifo");
  Bun.spawnSync(["mkfifo", fifo]);
  const held = openSync(fifo, "r+"); // both ends: nobody reads, and opening does not wait
  const { writer } = writerTo(() => held, 1_000_000);
  writer.write(`${"x".repeat(200_000)}\n`);
  const startMs = performance.now();
  await writer.flush(30);
  expect(performance.now() - startMs).toBeLessThan(1_000);
  Bun.spawnSync(["sh", "-c", `head -c 200001 < ${fifo} > /dev/null`]);
  await writer.flush(5_000);
  closeSync(held);
});
