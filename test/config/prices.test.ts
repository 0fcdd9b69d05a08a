import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { formatUsd } from "../../src/usage/money.ts";
import { runCli } from "../harness/proxy-process.ts";
import { directory, loaded, problems, token } from "./loaded.ts";

describe("PRICES_PATH", () => {
  const file = `models:
  gpt-4o: { input_usd_per_mtok: "7" }
  "acme-*": { input_usd_per_mtok: "8" }
`;
  const inputPrice = (model: string, cwd: string, environment: Record<string, string>): string => {
    const { pricing } = loaded({ cwd, environment: { MANAGEMENT_TOKEN: token, ...environment } });
    return formatUsd(pricing.priceOf(model)?.bands.standard.short.input ?? 0n);
  };

  test("adds to the prices of the binary and wins by name, whole entries at a time", () => {
    const cwd = directory({ "p.yaml": file });
    const models = ["gpt-4o", "gpt-4o-2024-11-20", "gpt-4o-mini", "acme-1", "unknown"];
    const with_ = models.map((model) => inputPrice(model, cwd, { PRICES_PATH: "p.yaml" }));
    const without = models.map((model) => inputPrice(model, cwd, {}));
    expect(with_).toEqual(["7", "7", "0.15", "8", "0"]);
    expect(without).toEqual(["2.5", "2.5", "0.15", "0", "0"]);
    const { pricing } = loaded({ cwd, environment: { MANAGEMENT_TOKEN: token, PRICES_PATH: "p.yaml" } });
    expect(pricing.priceOf("gpt-4o")?.bands.standard.short.output).toBeUndefined();
  });

  test.each([
    ["a file that is not there", undefined, "p.yaml: the price file does not exist"],
    [
      "a wrong key",
      'models: {m: {output_usd_per_mtk: "1"}}',
      "p.yaml:1: models.m.output_usd_per_mtk is not a known key (did you mean output_usd_per_mtok?)",
    ],
    ["no YAML", "models: {a: 1, a: 2}", "p.yaml:1: the key a is set twice: remove one"],
  ])("%s is told with all other problems", (_name, text, said) => {
    const cwd = directory(text === undefined ? {} : { "p.yaml": text });
    const told = problems({ cwd, environment: { PRICES_PATH: "p.yaml" } }, {});
    expect(told).toEqual([expect.stringContaining("MANAGEMENT_TOKEN"), join(cwd, said)]);
  });

  test("a wrong file stops the start, with its line and a suggestion", async () => {
    const cwd = directory({ "p.yaml": 'models:\n  m:\n    imput_usd_per_mtok: "1"\n' });
    const { code, stderr } = await runCli(["server", "--prices-path", "p.yaml", "--addr", "127.0.0.1:0"], {
      cwd,
      env: { MANAGEMENT_TOKEN: token },
    });
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(
        `${join(cwd, "p.yaml")}:3: models.m.imput_usd_per_mtok is not a known key (did you mean input_usd_per_mtok?)`,
      ),
    ]);
  });
});
