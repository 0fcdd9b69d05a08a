import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { didYouMean, nearest } from "../nearest.ts";
import { parseEnvFile } from "./env-file.ts";
import { fileBytesMax, isFile, readTextFile } from "./text-file.ts";
import { parseYaml } from "./yaml-file.ts";

describe("env files", () => {
  const values: [string, string][] = [
    ["A=b", "b"],
    ["export A=b", "b"],
    ["  A = b  ", "b"],
    ["A=b # why", "b"],
    ["A=b#c", "b#c"],
    ["A=# why", ""],
    ["A=", ""],
    ['A="b c"', "b c"],
    ['A="b # c" # why', "b # c"],
    ["A='b \\n \"c\"'", 'b \\n "c"'],
    ['A="b\\"c\\\\d\\ne\\t"', 'b"c\\d\ne\\t'],
    ["A=b=c", "b=c"],
    ["A=$HOME", "$HOME"],
    ['A=b"c"', 'b"c"'],
  ];
  test.each(values)("%j gives %j", (text, value) => {
    const read = parseEnvFile("f.env", text);
    expect(read.problems).toEqual([]);
    expect(read.lines).toEqual([{ name: "A", value, line: 1 }]);
  });

  test("lines are counted over comments, empty lines and CRLF", () => {
    const read = parseEnvFile("f.env", "# a\r\n\r\nA=1\r\nB=2\r\n");
    expect(read.lines.map(({ name, value, line }) => [name, value, line])).toEqual([
      ["A", "1", 3],
      ["B", "2", 4],
    ]);
  });

  test.each([
    ["A", 1],
    ["=b", 1],
    ["1A=b", 1],
    ["A-B=c", 1],
    ['A="b', 1],
    ["A='b'c", 1],
    ["A=1\n\nA=2", 3],
  ])("%j is a problem with its line", (text, line) => {
    expect(parseEnvFile("f.env", text).problems).toMatchObject([
      { code: "invalid_syntax", file: "f.env", line },
    ]);
  });

  test("any value survives in double quotes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        fc.pre(!value.includes("\r"));
        const quoted = value.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
        expect(parseEnvFile("f.env", `A="${quoted}"`).lines[0]?.value).toBe(value);
      }),
    );
  });
});

describe("YAML files", () => {
  function valueOfYaml(text: string): unknown {
    const read = parseYaml("f.yaml", text);
    return read.ok ? read.value.value : read.error;
  }

  test("CFG-104: every scalar stays the text that was written", () => {
    const text = "a: 0x10\nb: 010\nc: no\nd: 1e3\ne: null\nf: '5'\ng: [1, true]\n";
    expect(valueOfYaml(text)).toEqual({
      a: "0x10",
      b: "010",
      c: "no",
      d: "1e3",
      e: "null",
      f: "5",
      g: ["1", "true"],
    });
  });

  test("CFG-104: a byte order mark and CRLF are fine", () => {
    expect(valueOfYaml("\ufeffa: 1\r\nb: 2\r\n")).toEqual({ a: "1", b: "2" });
  });

  test.each(["", "\n", "# only a comment\n", "---\n"])("%j is an empty file", (text) => {
    expect(valueOfYaml(text)).toBeUndefined();
  });

  test.each([
    ["a: 1\nb: 2\na: 3\n", 3, "the key a is set twice: remove one"],
    ["a:\n\tb: 1\n", 2, "a tab indents this line: use spaces"],
    ["a: 1\n---\nb: 2\n", 2, "a second document begins here: keep one per file"],
    ["a: b: c\n", 1, "a second colon stands in this line: put the value in quotes"],
    ["a: 1\nb: !!binary x\n", 2, "tags (!…) are not used here: remove it"],
    ["a: 'b\n", 2, "a quote, bracket or colon is missing"],
    ["? [a]\n: 1\n", 1, "this key is not a plain word"],
  ])("CFG-104: %j is refused with line and reason", (text, line, message) => {
    expect(valueOfYaml(text)).toEqual(
      expect.arrayContaining([{ code: "invalid_syntax", file: "f.yaml", line, name: "", message }]),
    );
  });

  test("an alias without anchor and an alias bomb are refused", () => {
    const bomb = ["a0: &a0 [x]"];
    for (let n = 1; n < 12; n++) bomb.push(`a${n}: &a${n} [${`*a${n - 1},`.repeat(10)}]`);
    for (const text of ["a: *b\n", bomb.join("\n")]) {
      expect(valueOfYaml(text)).toMatchObject([
        { message: "an alias (*…) in it leads nowhere or grows too large" },
      ]);
    }
  });

  test("a syntax error never repeats the file, which may hold secrets", () => {
    for (const text of [
      "k: 'geheim\n",
      "k: @geheim\n",
      "k: geheim: geheim\n",
      "k: [geheim\n",
      "}geheim{",
      "k: &geheim\n*",
    ]) {
      const message = JSON.stringify(valueOfYaml(text));
      expect(message).not.toContain("geheim");
      expect(message).toContain("invalid_syntax");
    }
  });

  test("lines are known for keys, nested keys and list entries, else for what is above", () => {
    const read = parseYaml("f.yaml", "a: 1\nb:\n  c:\n    - x\n    - y\n");
    const lineOf = (...path: string[]) => (read.ok ? read.value.lineOf(path) : 0);
    expect([lineOf("a"), lineOf("b", "c"), lineOf("b", "c", "1"), lineOf("b", "c", "7"), lineOf()]).toEqual([
      1, 3, 5, 3, 1,
    ]);
  });
});

describe("reading files", () => {
  const scope = temporaryDirectory();
  const dir = scope.path;
  afterAll(() => scope[Symbol.dispose]());

  test("CFG-104: what cannot be read is said in words, without the content", () => {
    const invalid = join(dir, "latin1");
    writeFileSync(invalid, Buffer.from([0x67, 0xe4]));
    const large = join(dir, "large");
    writeFileSync(large, Buffer.alloc(fileBytesMax + 1, 97));
    expect(readTextFile(join(dir, "none"))).toEqual({ ok: false, error: "does not exist" });
    expect(readTextFile(join(invalid, "below"))).toEqual({ ok: false, error: "does not exist" });
    expect(readTextFile(dir)).toEqual({ ok: false, error: "is a directory" });
    expect(readTextFile(invalid)).toEqual({ ok: false, error: "is not UTF-8 text" });
    expect(readTextFile(large)).toEqual({ ok: false, error: "is larger than 1 MiB" });
    expect(readTextFile("a\0b")).toMatchObject({ ok: false });
  });

  test("CFG-104: a file of exactly 1 MiB is read", () => {
    const file = join(dir, "full");
    writeFileSync(file, Buffer.alloc(fileBytesMax, 97));
    expect(readTextFile(file).ok).toBe(true);
  });

  test("a directory is no file", () => {
    mkdirSync(join(dir, "sub"));
    writeFileSync(join(dir, "there"), "");
    expect([isFile(join(dir, "sub")), isFile(join(dir, "there")), isFile(join(dir, "none"))]).toEqual([
      false,
      true,
      false,
    ]);
  });
});

describe("nearest names", () => {
  const known = ["allowed_methods", "allowed_origins", "base_url", "env"];
  test.each([
    ["alowed_methods", "allowed_methods"],
    ["ALLOWED_METHODS", "allowed_methods"],
    ["allowed_method", "allowed_methods"],
    ["baseurl", "base_url"],
    ["enb", "env"],
    ["timeouts", undefined],
    ["", undefined],
    ["x".repeat(10_000), undefined],
  ])("%s was meant as %s", (name, meant) => {
    expect(nearest(name, known)).toBe(meant as string);
  });

  test("without a near name nothing is suggested", () => {
    expect(didYouMean("base_ur", known)).toBe(" (did you mean base_url?)");
    expect(didYouMean("zzz", known)).toBe("");
  });
});
