import { describe, expect, test } from "bun:test";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { readChatSettings } from "./chat-settings.ts";
import { UsageError } from "./output.ts";

describe("the settings of chat and benchmark", () => {
  test("PROXY_TOKEN alone is enough, and temperature 0 is a value", () => {
    const io = recordedIo({ environment: { PROXY_TOKEN: "sk-wt-env", TEMPERATURE: "0" } });
    const config = readChatSettings({}, io);
    expect(config.proxyToken?.reveal()).toBe("sk-wt-env");
    expect(config).toMatchObject({
      proxyUrl: "http://localhost:8080",
      model: "gpt-4.1-mini",
      temperature: 0,
      maxTokens: 0,
      useStreaming: true,
    });
    expect(io.err()).toBe("");
  });

  test("CLI-101 a token as an argument goes before the environment, and warns once without showing it", () => {
    const io = recordedIo({ environment: { PROXY_TOKEN: "sk-wt-env" } });
    const config = readChatSettings({ proxyToken: "sk-wt-flag" }, io);
    expect(config.proxyToken?.reveal()).toBe("sk-wt-flag");
    expect(io.err().match(/Warning: --token /g)).toHaveLength(1);
    expect(io.err()).not.toContain("sk-wt-flag");
  });

  test("all that is wrong is told at once", () => {
    const io = recordedIo({ environment: { TEMPERATURE: "hot" } });
    const read = () => readChatSettings({ maxTokens: "-1" }, io);
    expect(read).toThrow(UsageError);
    for (const name of ["--max-tokens", "TEMPERATURE"]) expect(read).toThrow(name);
  });
});
