import { expect, test } from "bun:test";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { UsageError } from "./output.ts";
import { withProviderKey, withSecret } from "./setup-key.ts";

async function* pieces(...texts: string[]): AsyncGenerator<string> {
  yield* texts;
}

test("a key on stdin goes where settings are read, without the end of its line (CLI-101)", async () => {
  const sources = { flags: { openaiApiKey: "-", project: "p" }, environment: { OPENAI_API_KEY: "old" } };
  const io = recordedIo({ stdin: pieces("sk-", "abc\n") });
  expect(await withProviderKey(sources, undefined, io)).toEqual({
    flags: { openaiApiKey: undefined, project: "p" },
    environment: { OPENAI_API_KEY: "sk-abc", OPENAI_API_KEY_FILE: undefined },
  });
});

test("a key file is named to the settings loader, which reads it", async () => {
  const sources = { flags: {}, environment: { OPENAI_API_KEY: "old" } };
  const { environment } = await withProviderKey(sources, "/run/key", recordedIo());
  expect(environment).toEqual({ OPENAI_API_KEY: "", OPENAI_API_KEY_FILE: "/run/key" });
});

test("without either the sources stay as they are", async () => {
  const sources = { flags: { openaiApiKey: "sk-x" }, environment: {} };
  expect(await withProviderKey(sources, undefined, recordedIo())).toBe(sources);
});

test.each([
  ["no text", ""],
  ["blanks", " \n"],
  ["an endless text", "x".repeat(20_000)],
])("%s on stdin is no key", async (_, text) => {
  const io = recordedIo({ stdin: pieces(text) });
  await expect(
    withProviderKey({ flags: { openaiApiKey: "-" }, environment: {} }, undefined, io),
  ).rejects.toThrow(UsageError);
});

test("a secret takes the place of what flags and files say", () => {
  const sources = { flags: { managementToken: "flag" }, environment: { MANAGEMENT_TOKEN_FILE: "f" } };
  expect(withSecret(sources, "managementToken", "t")).toEqual({
    flags: { managementToken: undefined },
    environment: { MANAGEMENT_TOKEN: "t", MANAGEMENT_TOKEN_FILE: undefined },
  });
});
