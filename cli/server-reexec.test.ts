import { expect, test } from "bun:test";
import { ownProgram, raiseLimit, withRaisedLimit } from "./server-reexec.ts";

test("the process is replaced once by itself with the limit of the runtime raised", () => {
  const calls: unknown[][] = [];
  const warn = () => expect.unreachable();
  raiseLimit({ A: "1", B: undefined }, (...call) => void calls.push(call), warn);
  const { file, script } = ownProgram();
  expect(calls).toEqual([
    [
      file,
      [file, ...script, ...process.argv.slice(2)],
      expect.objectContaining({ A: "1", BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" }),
    ],
  ]);
  expect(file).toBe(process.execPath);

  const environment = calls[0]?.[2] as Record<string, string>;
  raiseLimit(environment, () => expect.unreachable(), warn);
});

test("a limit that the operator has set stays", () => {
  const own = { BUN_CONFIG_MAX_HTTP_REQUESTS: "300", BUN_JSC_forceRAMSize: "1000" };
  expect(withRaisedLimit(own, 500)).toEqual(own);
});

test("RES-107 the engine is told of the memory that the container has", () => {
  expect(withRaisedLimit({}, 268_435_456)).toEqual({
    BUN_CONFIG_MAX_HTTP_REQUESTS: "65535",
    BUN_JSC_forceRAMSize: "268435456",
  });
});

test("where a process cannot be replaced, a warning says what to set", () => {
  const warnings: string[] = [];
  raiseLimit({}, undefined, (message) => warnings.push(message));
  raiseLimit(
    {},
    () => {
      throw new Error("it is not permitted");
    },
    (message) => warnings.push(message),
  );
  expect(warnings).toHaveLength(2);
  for (const warning of warnings) expect(warning).toContain("BUN_CONFIG_MAX_HTTP_REQUESTS=65535");
  expect(warnings[1]).toContain("it is not permitted");
});
