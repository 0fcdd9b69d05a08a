import { describe, expect, test } from "bun:test";
import { namesWithoutEffect } from "./names-without-effect.ts";
import type { Group } from "./settings.ts";
import { fileKeyOf, flagsOf, settingRows } from "./settings.ts";
import { readDefault } from "./values.ts";

const groups: readonly Group[] = ["server", "client", "store", "chat", "setup"];

function expectUnique(names: readonly string[]): void {
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
}

describe("the table of settings", () => {
  test.each(settingRows)(
    "the default of $key is in its own grammar and can be written again",
    ({ setting }) => {
      const value = readDefault(setting, "/data", "/");
      expect(value === undefined).toBe(setting.default === undefined);
      if (value === undefined) return;
      const again = setting.kind.parse(setting.kind.format(value));
      expect(again.ok && again.value).toEqual(value);
    },
  );

  test("no two settings share a name in the environment or in the settings file", () => {
    const withFiles = settingRows.map(({ setting }) => setting);
    const secrets = withFiles.filter(({ kind }) => kind.nature === "secret");
    expectUnique([...withFiles.map(({ env }) => env), ...secrets.map(({ env }) => `${env}_FILE`)]);
    expectUnique([...withFiles.map(fileKeyOf), ...secrets.map((setting) => `${fileKeyOf(setting)}_file`)]);
  });

  test.each(groups)("no two flags of the group %s share a name or a letter", (group) => {
    const flags = flagsOf(group);
    expectUnique(flags.flatMap(({ name, aliases }) => [name, ...aliases]));
    expectUnique(flags.flatMap(({ short }) => (short === undefined ? [] : [short])));
  });

  test("a setting is not a name without effect as well", () => {
    expect(settingRows.filter(({ setting }) => namesWithoutEffect.has(setting.env))).toEqual([]);
  });

  test("the predecessor's flags of the server are all there", () => {
    const names = flagsOf("server").map(({ name, short }) =>
      short === undefined ? name : `${short}/${name}`,
    );
    const kept = [
      "addr",
      "db",
      "log-level",
      "log-file",
      "pid-file",
      "d/daemon",
      "v/debug",
      "c/config",
      "env",
    ];
    expect(names).toEqual(expect.arrayContaining(kept));
  });

  test("the predecessor's flags of setup and chat are all there", () => {
    const setup = flagsOf("setup").flatMap(({ name, aliases }) => [name, ...aliases]);
    const setupKept =
      "config openai-key api-key management-token db addr interactive project duration skip-project";
    expect(setup).toEqual(expect.arrayContaining(setupKept.split(" ")));
    const chat = flagsOf("chat").map(({ name }) => name);
    const chatKept = "proxy token model temperature max-tokens system verbose stream";
    expect(chat).toEqual(expect.arrayContaining(chatKept.split(" ")));
  });

  test("a server takes no secret as a flag, other commands only the three of old", () => {
    const secretFlags = (group: Group): string[] =>
      flagsOf(group)
        .filter(({ key }) =>
          settingRows.some((row) => row.key === key && row.setting.kind.nature === "secret"),
        )
        .map(({ name }) => name);
    expect(secretFlags("server")).toEqual([]);
    expect(secretFlags("store")).toEqual([]);
    expect(groups.flatMap(secretFlags).sort()).toEqual([
      "management-token",
      "management-token",
      "openai-key",
      "token",
    ]);
  });
});
