import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openLab } from "../proxy/lab.ts";

/** Names and labels of an exposition, without values; the runtime's own figures left out. */
function seriesOf(exposition: string): Set<string> {
  const lines = exposition.split("\n").filter((line) => line.startsWith("llm_proxy_"));
  return new Set(lines.map((line) => line.slice(0, line.lastIndexOf(" "))));
}

describe("label sets do not grow with what callers send (SEC-106)", () => {
  test("random paths, models, methods, user agents and hosts add no series", async () => {
    await using lab = await openLab();
    const series = async () => seriesOf(await (await fetch(`${lab.app.origin}/metrics/prometheus`)).text());
    const round = async (salt: string) => {
      for (const method of ["GET", "PUT", "PROPFIND", "MKCOL"])
        await lab.call(`/v1/${salt}`, { method, headers: [["User-Agent", salt]] });
      await lab.call(`/${salt}/x`, { body: `{"model":"${salt}"}` });
      await lab.call(`/v1/${salt}`, { token: "" });
      await lab.call("/v1/x", { token: `sk-wt-${salt}` });
      await lab.call("/v1/x", { headers: [["Host", `${salt}.example`]] });
    };
    await round("first");
    const before = await series();
    await Promise.all(Array.from({ length: 100 }, () => round(crypto.randomUUID())));
    const after = await series();
    expect([...after].filter((name) => !before.has(name))).toEqual([]);
    expect([...after].join("\n")).not.toMatch(/first|\.example|[0-9a-f]{8}-[0-9a-f]{4}/);
  });
});

describe("nothing that a caller sends forges a line (SEC-107)", () => {
  test("one record per line, control characters escaped, in the log and in the audit file", async () => {
    await using lab = await openLab({ env: { LOG_LEVEL: "debug" } });
    const forged = '{"level":"info","msg":"forged"}';
    await lab.call(`/v1/models?x=%0a${encodeURIComponent(forged)}`);
    await lab.call(`/v1/%0a${encodeURIComponent(forged)}`);
    await lab.call("/v1/\xe2\x80\xa8\xc2\x85x");
    await lab.call("/v1/models", { headers: [["User-Agent", 'a"}\\n{"forged":1}\xc2\x9b31m\xe2\x80\xa8']] });
    await lab.call("/v1/models", {
      token: "",
      headers: [
        ["User-Agent", `\t${forged}`],
        ["X-Request-ID", forged],
      ],
    });
    await lab.call("/v1/chat/completions", { body: '{"model":"a\\n{\\"forged\\":true}"}' });
    await lab.app.manage("POST", "/projects", { name: "a\r\nforged: 1", api_key: lab.app.providerKey });
    await lab.app.manage("GET", `/tokens/%0a${encodeURIComponent(forged)}`);
    await lab.app.stop();

    const audit = readFileSync(join(lab.app.dataDirectory, "audit.log"), "utf8");
    for (const text of [lab.app.log(), audit]) {
      const lines = text.trimEnd().split("\n");
      expect(lines.length).toBeGreaterThan(2);
      for (const line of lines) {
        const record = JSON.parse(line) as Record<string, unknown>;
        expect(record["msg"]).not.toBe("forged");
        expect(record).not.toHaveProperty("forged");
        expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      }
    }
  });
});
