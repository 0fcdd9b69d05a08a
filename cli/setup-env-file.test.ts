import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parseEnvFile } from "../src/config/env-file.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { CommandError } from "./output.ts";
import { closeToOthers, mergeEnv, readEnvFile, valueIn, writeEnvFile } from "./setup-env-file.ts";

describe("merging an env file", () => {
  test("keeps comments, unknown names, order and odd spacing, and replaces a value in its line", () => {
    const before = "# mine\n\nexport FOO = 'a b' # why\nLISTEN_ADDR=:1\n# LISTEN_ADDR=:2\nLAST=x";
    const merged = mergeEnv(
      before,
      new Map([
        ["LISTEN_ADDR", ":9"],
        ["LOG_LEVEL", "info"],
      ]),
    );
    expect(merged).toBe(
      "# mine\n\nexport FOO = 'a b' # why\nLISTEN_ADDR=:9\n# LISTEN_ADDR=:2\nLAST=x\nLOG_LEVEL=info\n",
    );
  });

  test("changes not a byte where every value is there already", () => {
    const before = "A='x'\r\nB = y # z\r\n";
    expect(
      mergeEnv(
        before,
        new Map([
          ["A", "x"],
          ["B", "y"],
        ]),
      ),
    ).toBe(before);
  });

  test("fills a name that stands there blank", () => {
    expect(mergeEnv("MANAGEMENT_TOKEN=\n", new Map([["MANAGEMENT_TOKEN", "t"]]))).toBe(
      "MANAGEMENT_TOKEN=t\n",
    );
  });

  test("gives a new file a comment that says what it is", () => {
    expect(mergeEnv("", new Map([["A", "1"]]))).toMatch(/^# Settings of llm-proxy.*\nA=1\n$/);
  });

  test("writes any one-line value so that it is read back as it was", () => {
    const value = fc.string({ unit: "grapheme" }).filter((text) => !/[\r\n]/.test(text) && text !== "");
    fc.assert(
      fc.property(value, fc.constantFrom("", "NAME=old\n", "# c\nNAME='o l d'\nX=1"), (text, before) => {
        const merged = mergeEnv(before, new Map([["NAME", text]]));
        expect(parseEnvFile("", merged).problems).toEqual([]);
        expect(valueIn(merged, "NAME")).toBe(text);
      }),
    );
  });
});

describe("writing an env file", () => {
  test("makes it and its directory for the owner alone, whatever the umask (CLI-103)", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "data/llm-proxy.env");
    for (const umask of [0o000, 0o377]) {
      const before = process.umask(umask);
      try {
        writeEnvFile(join(directory.path, `${umask}.env`), "A=1\n");
      } finally {
        process.umask(before);
      }
      expect(statSync(join(directory.path, `${umask}.env`)).mode & 0o777).toBe(0o600);
    }
    writeEnvFile(path, "A=1\n");
    expect(statSync(join(directory.path, "data")).mode & 0o777).toBe(0o700);
    expect(readFileSync(path, "utf8")).toBe("A=1\n");
    expect(readdirSync(join(directory.path, "data"))).toEqual(["llm-proxy.env"]);
  });

  test("replaces a file that others could read by one that they cannot, and keeps a link a link", () => {
    using directory = temporaryDirectory();
    const target = join(directory.path, "real.env");
    const link = join(directory.path, "link.env");
    writeFileSync(target, "A=1\n", { mode: 0o644 });
    symlinkSync(target, link);
    writeEnvFile(link, "A=2\n");
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(target, "utf8")).toBe("A=2\n");
    expect(statSync(target).mode & 0o777).toBe(0o600);
  });

  test("says where it cannot write and what to do, and leaves nothing behind", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "file");
    writeFileSync(file, "");
    for (const path of [join(file, "llm-proxy.env"), directory.path]) {
      const write = () => writeEnvFile(path, "A=1\n");
      expect(write).toThrow(CommandError);
      expect(write).toThrow("choose another place");
    }
    expect(readdirSync(directory.path)).toEqual(["file"]);
  });
});

test("a file that others can read is closed to them once", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "a.env");
  writeFileSync(path, "A=1\n");
  chmodSync(path, 0o640);
  expect(closeToOthers(path)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(closeToOthers(path)).toBe(false);
});

test("a missing env file is an empty one, and one that is no text is refused", () => {
  using directory = temporaryDirectory();
  expect(readEnvFile(join(directory.path, "none"))).toBe("");
  const path = join(directory.path, "binary.env");
  writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00]));
  expect(() => readEnvFile(path)).toThrow("is not UTF-8 text");
});
