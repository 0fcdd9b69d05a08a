import { describe, expect, test } from "bun:test";
import { PassThrough, Readable } from "node:stream";
import { fail, ok } from "../src/result.ts";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { CommandError } from "./output.ts";
import { createPrompter } from "./setup-prompts.ts";

/** A terminal whose keys a test presses. */
function terminal() {
  const keys = new PassThrough();
  const stdin = Object.assign(keys, {
    isTTY: true,
    setRawMode: () => stdin,
  }) as unknown as NodeJS.ReadableStream;
  return { io: recordedIo({ stdin, isTTY: true }), press: (text: string) => keys.write(text) };
}

function typed(...lines: string[]): NodeJS.ReadableStream {
  return Readable.from(lines.map((line) => `${line}\n`));
}

describe("a question", () => {
  test("takes an empty answer for its fallback, which it shows", async () => {
    const io = recordedIo({ stdin: typed("", " x ") });
    using prompter = createPrompter(io);
    expect(await prompter.ask({ text: "Listen address", fallback: ":8080" })).toBe(":8080");
    expect(await prompter.ask({ text: "Name", fallback: "" })).toBe("x");
    expect(io.err()).toContain("Listen address [:8080]: ");
    expect(io.out()).toBe("");
  });

  test("is asked again after a wrong answer, with the reason", async () => {
    const io = recordedIo({ stdin: typed("no", "yes") });
    using prompter = createPrompter(io);
    const parse = (text: string) => (text === "yes" ? ok(text) : fail("is not yes"));
    expect(await prompter.ask({ text: "Q", fallback: "", parse })).toBe("yes");
    expect(io.err()).toContain("That is not yes\n");
  });

  test("on a terminal shows what is typed, but not a secret", async () => {
    const { io, press } = terminal();
    using prompter = createPrompter(io);
    press("shown\r");
    expect(await prompter.ask({ text: "Name", fallback: "" })).toBe("shown");
    const answer = prompter.ask({ text: "Key", fallback: "", secret: true });
    press("sk-canary-0815\r");
    expect(await answer).toBe("sk-canary-0815");
    const next = prompter.ask({ text: "Next", fallback: "" });
    press("again\r");
    expect(await next).toBe("again");
    expect(io.err()).toContain("shown");
    expect(io.err()).toContain("again");
    expect(io.err()).not.toContain("canary");
  });

  test("that meets Ctrl-C or the end of the input stops with nothing changed", async () => {
    const { io, press } = terminal();
    using prompter = createPrompter(io);
    const answer = prompter.ask({ text: "Key", fallback: "", secret: true });
    press("\x03");
    await expect(answer).rejects.toThrow(new CommandError("Setup was stopped, nothing was changed"));

    using ended = createPrompter(recordedIo());
    await expect(ended.ask({ text: "Q", fallback: "x" })).rejects.toThrow(CommandError);
  });
});

test.each([
  ["", true],
  ["y", true],
  ["N", false],
  ["no", false],
])("the answer %j to a yes or no is %p", async (answer, meant) => {
  using prompter = createPrompter(recordedIo({ stdin: typed(answer) }));
  expect(await prompter.confirm("Really?")).toBe(meant);
});
