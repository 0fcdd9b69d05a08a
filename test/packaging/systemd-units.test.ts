import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const deploy = join(import.meta.dirname, "../../deploy");

/** The settings of a unit: name to its values in order. */
function readUnit(name: string): ReadonlyMap<string, readonly string[]> {
  const settings = new Map<string, string[]>();
  for (const line of readFileSync(join(deploy, name), "utf8").split("\n")) {
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) settings.set(key, [...(settings.get(key) ?? []), value]);
  }
  return settings;
}

const server = readUnit("llm-proxy.service");
const dispatcher = readUnit("llm-proxy-dispatcher.service");

function seconds(value: string | undefined): number {
  const [, count, unit] = /^(\d+)(s|min)$/.exec(value ?? "") ?? [];
  return Number(count) * (unit === "min" ? 60 : 1);
}

describe("OPS-103 the server's unit", () => {
  test("is active only once the server says that it is ready", () => {
    expect(server.get("Type")).toEqual(["notify"]);
    expect(server.get("NotifyAccess")).toEqual(["main"]);
  });

  test("leaves more time to stop than running answers get by default", () => {
    const settings = readFileSync(join(deploy, "../src/config/settings.ts"), "utf8");
    const shutdownTimeout = /"SHUTDOWN_TIMEOUT", duration\(.*\), \{\s*default: "(\w+)"/.exec(settings)?.[1];
    expect(shutdownTimeout).toBeDefined();
    expect(seconds(server.get("TimeoutStopSec")?.[0])).toBeGreaterThan(seconds(shutdownTimeout));
  });

  test("limits restarts", () => {
    expect(server.get("Restart")).toEqual(["on-failure"]);
    expect(Number(server.get("StartLimitBurst")?.[0])).toBeLessThanOrEqual(5);
  });

  test("takes the secrets from credentials, not from the environment", () => {
    for (const name of ["management-token", "encryption-key"]) {
      const setting = `${name.toUpperCase().replace("-", "_")}_FILE`;
      expect(server.get("LoadCredential")).toContain(`${name}:/etc/llm-proxy/${name}`);
      expect(server.get("Environment")).toContain(`${setting}=%d/${name}`);
    }
  });

  test("raises the runtime's limit on requests at once before the program starts", () => {
    expect(server.get("Environment")).toContainEqual(
      expect.stringMatching(/^BUN_CONFIG_MAX_HTTP_REQUESTS=\d{5}$/),
    );
  });

  test("leaves MemoryDenyWriteExecute off and says why", () => {
    expect(server.has("MemoryDenyWriteExecute")).toBe(false);
    expect(readFileSync(join(deploy, "llm-proxy.service"), "utf8")).toMatch(
      /# .*MemoryDenyWriteExecute stays off: .*\n# .*dies at its start/,
    );
  });
});

describe("the dispatcher's unit", () => {
  test("cannot be enabled as long as there is no such command", () => {
    expect(readFileSync(join(deploy, "llm-proxy-dispatcher.service"), "utf8")).not.toContain("[Install]");
  });

  test("is the same user in the same place, hardened in the same way", () => {
    const own = new Set([
      "Description",
      "Documentation",
      "Type",
      "ExecStart",
      "Environment",
      "After",
      "Wants",
    ]);
    const ofServerAlone = ["NotifyAccess", "LoadCredential", "TimeoutStartSec", "LimitNOFILE", "WantedBy"];
    const shared = [...server].filter(([name]) => !own.has(name) && !ofServerAlone.includes(name));
    expect(shared.length).toBeGreaterThan(30);
    expect([...dispatcher].filter(([name]) => !own.has(name))).toEqual(shared);
  });
});
