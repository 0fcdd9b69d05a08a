import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { UsageError } from "./output.ts";
import { readSecret } from "./secret-input.ts";

const flag = "--api-key";
const stdin = (...pieces: (string | Buffer)[]) => Readable.from(pieces);

describe("CLI-101: a secret comes", () => {
  test("from stdin, without the line's end", async () => {
    const io = recordedIo({ stdin: stdin(Buffer.from("sk-ab"), "cd\n") });
    expect((await readSecret({ flag, value: "-" }, io))?.reveal()).toBe("sk-abcd");
    expect(io.err()).toBe("");
  });

  test("from a file", async () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, "key"), "sk-file\n");
    const io = recordedIo({ cwd: directory.path });
    expect((await readSecret({ flag, value: undefined, file: "key" }, io))?.reveal()).toBe("sk-file");
  });

  test("from the environment, where no flag names another place", async () => {
    const io = recordedIo({ environment: { PROVIDER_API_KEY: " sk-env " } });
    const sources = { flag, value: undefined, variable: "PROVIDER_API_KEY" };
    expect((await readSecret(sources, io))?.reveal()).toBe("sk-env");
    expect(await readSecret(sources, recordedIo())).toBeUndefined();
    expect(await readSecret({ flag, value: undefined }, io)).toBeUndefined();
  });

  test("from the flag, with a warning that does not repeat it", async () => {
    const io = recordedIo();
    expect((await readSecret({ flag, value: "sk-x", variable: "KEY" }, io))?.reveal()).toBe("sk-x");
    expect(io.err()).toBe(
      "Warning: --api-key shows in the list of processes: use --api-key - or KEY instead\n",
    );
  });
});

test.each([
  ["an empty flag", { value: " " }, "", "--api-key is empty"],
  ["an empty stdin", { value: "-" }, "\n", "--api-key - reads from stdin, which is empty"],
  ["too much on stdin", { value: "-" }, "x".repeat(16_385), "--api-key -: stdin has more than 16 KiB"],
  ["two places", { value: "x", file: "y" }, "", "--api-key and --api-key-file: give one"],
  [
    "a file that is not there",
    { value: undefined, file: "/nowhere/key" },
    "",
    "The file of --api-key-file does not exist",
  ],
  ["an empty file", { value: undefined, file: "/dev/null" }, "", "The file of --api-key-file is empty"],
])("%s is wrong usage", async (_, sources, typed, message) => {
  const reading = readSecret({ flag, ...sources }, recordedIo({ stdin: stdin(typed) }));
  expect(await reading.catch((error: unknown) => error)).toEqual(new UsageError(message));
});
