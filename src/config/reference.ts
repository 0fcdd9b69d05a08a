import { namesWithoutEffect } from "./names-without-effect.ts";
import type { Group, Setting, SettingKey } from "./settings.ts";
import { fileKeyOf, flagsOf, settingRows } from "./settings.ts";

const groups: readonly Group[] = ["server", "client", "store", "chat", "setup"];

/** The settings as a Markdown table; docs/configuration.md holds it between its markers. */
export function settingsTable(): string {
  const rows = settingRows.map(({ key, setting }) => [
    `\`${setting.env}\``,
    `\`${fileKeyOf(setting)}\``,
    flagCell(key),
    setting.kind.label,
    defaultCell(setting),
    setting.groups.length === groups.length ? "all" : setting.groups.join(", "),
    setting.about.replaceAll("|", "\\|"),
  ]);
  return table(["Environment", "Settings file", "Flag", "Value", "Default", "Read by", "Meaning"], rows);
}

/** The names without effect as a Markdown table, one line per reason. */
export function namesWithoutEffectTable(): string {
  const byReason = Map.groupBy(namesWithoutEffect, ([, instead]) => instead);
  const rows = [...byReason].map(([instead, names]) => [
    names.map(([name]) => `\`${name}\``).join(", "),
    instead,
  ]);
  return table(["Name", "What holds"], rows);
}

function flagCell(key: SettingKey): string {
  const flag = groups.flatMap((group) => flagsOf(group)).find((one) => one.key === key);
  if (flag === undefined) return "";
  const long = [flag.name, ...flag.aliases].map((name) => `\`--${name}\``);
  return [...(flag.short === undefined ? [] : [`\`-${flag.short}\``]), ...long].join(", ");
}

function defaultCell(setting: Setting): string {
  return setting.default === undefined ? "" : `\`${setting.default}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
