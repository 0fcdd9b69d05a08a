import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { parseEnvFile } from "./env-file.ts";
import { loadSettings } from "./load.ts";
import { formatProblem } from "./problem.ts";
import { parseProviders } from "./providers.ts";
import { namesWithoutEffectTable, settingsTable } from "./reference.ts";
import { fileKeyOf, settingRows } from "./settings.ts";

const docs = resolve(import.meta.dir, "../../docs");

/** The examples of a page that are marked with this language. */
function examples(page: string, language: string): string[] {
  const text = readFileSync(join(docs, page), "utf8");
  return [...text.matchAll(new RegExp(`\n\`\`\`${language}\n([\\s\\S]*?)\n\`\`\``, "g"))].map(
    ([, code]) => code ?? "",
  );
}

describe("docs/configuration.md", () => {
  const page = join(docs, "configuration.md");
  const generated = { settings: settingsTable(), "no-effect": namesWithoutEffectTable() };

  test.each(Object.entries(generated))(
    "its table of %s is the one made from the code (UPDATE_DOCS=1 writes it)",
    async (name, table) => {
      const marked = new RegExp(`(<!-- ${name}:begin -->\n)([\\s\\S]*?)(\n<!-- ${name}:end -->)`);
      const text = await Bun.file(page).text();
      if (process.env["UPDATE_DOCS"] === "1") {
        await Bun.write(
          page,
          text.replace(marked, (_, begin, __, end) => `${begin}${table}${end}`),
        );
        return;
      }
      expect(marked.exec(text)?.[2]).toBe(table);
    },
  );

  test.each(settingRows)("$key has a line with a sentence of its own", ({ setting }) => {
    const line = generated.settings.split("\n").find((row) => row.startsWith(`| \`${setting.env}\` `));
    expect(line).toContain(`\`${fileKeyOf(setting)}\``);
    expect(setting.about).toMatch(/^[A-Z`].*\.$/);
  });

  test("its settings file loads, and says nothing odd", () => {
    using scope = temporaryDirectory();
    const cwd = scope.path;
    const [yaml = ""] = examples("configuration.md", "yaml");
    writeFileSync(join(cwd, "token"), "mt-0123456789abcdef");
    writeFileSync(join(cwd, "s.yaml"), yaml.replace(/\/run\S*/, "token"));
    const settings = loadSettings({ flags: { config: "s.yaml" }, environment: {}, cwd });
    expect(settings.ok ? settings.value.warnings : settings.error.map(formatProblem)).toEqual([]);
    expect(settings.ok && settings.value.config.listenAddr).toEqual({ hostname: "0.0.0.0", port: 8080 });
  });

  test("its env file is read as it says", () => {
    const [text = ""] = examples("configuration.md", "sh").filter((code) => code.startsWith("# comments"));
    const { lines, problems } = parseEnvFile("docs", text);
    expect(problems).toEqual([]);
    expect(lines.map(({ value }) => value)).toEqual(["4be1...", "debug", 'Be "brief"\n', "/srv/llm proxy"]);
  });
});

describe("docs/providers.md", () => {
  test("its provider files are right", () => {
    const defaults = {
      defaultName: undefined,
      requestTimeoutMs: 0,
      allowedOrigins: [],
      metricsPath: "/metrics",
    };
    const files = examples("providers.md", "yaml");
    expect(files).toHaveLength(3);
    for (const text of files) {
      const result = parseProviders("docs", text, defaults);
      expect(result.ok ? [] : result.error.map(formatProblem)).toEqual([]);
    }
  });
});
