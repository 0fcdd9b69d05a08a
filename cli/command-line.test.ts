import { expect, test } from "bun:test";
import type { ArgsDef } from "citty";
import { readCommandLine } from "./command-line.ts";
import type { CommandNode } from "./command-tree.ts";
import { UsageError } from "./output.ts";

const args: ArgsDef = {
  id: { type: "positional", required: true, description: "Id of it" },
  to: { type: "positional", required: false },
  name: { type: "string", alias: ["n", "called"] },
  count: { type: "string", alias: "c", required: true, description: "How many" },
  kind: { type: "enum", options: ["hot", "cold"] },
  json: { type: "boolean", alias: "j" },
  loud: { type: "boolean", alias: ["l"], default: true },
};
const node: CommandNode = {
  command: { args },
  path: "llm-proxy thing",
  aliases: [],
  about: "",
  example: undefined,
  args,
  children: undefined,
};
const read = (line: string): string[] => readCommandLine(node, line === "" ? [] : line.split(" "));

test.each([
  ["x -c 1", ["--count=1", "--", "x"]],
  ["-c1 x", ["--count=1", "--", "x"]],
  ["-c=1 x", ["--count=1", "--", "x"]],
  ["--count=1 --name= x", ["--count=1", "--name=", "--", "x"]],
  ["--count 1 --called a=b x y", ["--count=1", "--name=a=b", "--", "x", "y"]],
  ["-jlc 1 x", ["--json", "--loud", "--count=1", "--", "x"]],
  ["-c 1 --json=0 --no-loud x", ["--count=1", "--no-json", "--no-loud", "--", "x"]],
  ["-c 1 -j=yes x", ["--count=1", "--json", "--", "x"]],
  ["-c -1 --kind hot x", ["--count=-1", "--kind=hot", "--", "x"]],
  ["-c 1 -n - -", ["--count=1", "--name=-", "--", "-"]],
  ["-c 1 -- --json", ["--count=1", "--", "--json"]],
])("%s is read as %j", (line, words) => {
  expect(read(line)).toEqual(words);
});

test.each([
  ["x -c 1 --jsn", "llm-proxy thing has no flag --jsn (did you mean --json?)"],
  ["x -c 1 --jsn=sk-secret", "llm-proxy thing has no flag --jsn (did you mean --json?)"],
  ["x -c 1 --no-name", "llm-proxy thing has no flag --no-name"],
  ["x -c 1 --no-json=true", "llm-proxy thing has no flag --no-json"],
  ["x -c 1 -jz", "llm-proxy thing has no flag -z"],
  ["x -c 1 --name", "--name needs a value"],
  ["x -c 1 --name --json", "--name needs a value: write --name=VALUE if it begins with a dash"],
  ["x -c 1 -c 2", "--count is given twice: give it once"],
  ["x -c 1 --called a -n b", "--name is given twice: give it once"],
  ["x -c 1 --json=maybe", "--json takes true or false"],
  ["x -c 1 --kind warm", "--kind takes one of hot, cold"],
  ["x", "--count is missing: How many"],
  ["-c 1", "<id> is missing: Id of it"],
  [
    "-c 1 x y sk-secret",
    "llm-proxy thing takes 2 and no more, and 3 were given: switches are written --name=false",
  ],
])("%s is wrong usage, and its message holds no value", (line, message) => {
  expect(() => read(line)).toThrow(new UsageError(message));
});
