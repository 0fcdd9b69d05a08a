import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordedIo } from "../../test/harness/recorded-io.ts";
import { temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { runMain } from "../main.ts";

const right = `models:
  gpt-test: { input_usd_per_mtok: "1000", cached_input_usd_per_mtok: "500", output_usd_per_mtok: "2000" }
  "acme-*": { audio_usd_per_minute: "0.01", batch: { multiplier: "0.5" } }
`;

/** Runs `manage prices …` beside a file `p.yaml`. */
async function prices(line: string, text = right, environment: Record<string, string> = {}) {
  using directory = temporaryDirectory();
  const file = join(directory.path, "p.yaml");
  writeFileSync(file, text);
  const io = recordedIo({ cwd: directory.path, environment });
  const code = await runMain(["manage", "prices", ...line.split(" ")], io);
  const short = (said: string): string => said.replaceAll(directory.path, "…");
  return { code, out: short(io.out()), err: short(io.err()) };
}

test("check shows what a file says", async () => {
  const { code, out, err } = await prices("check p.yaml");
  expect([code, err]).toEqual([0, ""]);
  const [ok, ...table] = out.split("\n").map((line) => line.replaceAll(/ +/g, " "));
  expect(ok).toMatch(/^OK: 2 names in …\/p\.yaml, and 2\d\d in the table of the binary, of 2026-\d\d-\d\d$/);
  expect(table).toEqual([
    "Model Input Cached Written Output From Others",
    "gpt-test 1000 500 - 2000 …/p.yaml",
    "acme-* - - - - …/p.yaml audio_usd_per_minute 0.01, batch",
    "",
  ]);
});

test.each([["check"], ["check --prices-path p.yaml"]])("%s takes the file of the settings", async (line) => {
  const { code, out } = await prices(line, right, { PRICES_PATH: "p.yaml" });
  expect([code, out]).toEqual([0, expect.stringContaining("OK: 2 names in …/p.yaml")]);
});

test("check without a file tells of the table in the binary", async () => {
  const { code, out } = await prices("check");
  expect([code, out]).toEqual([0, expect.stringMatching(/^OK: no price file; 2\d\d names in the table/)]);
});

test("check --json is one document, right or wrong", async () => {
  const good = await prices("check p.yaml --json");
  expect(JSON.parse(good.out)).toMatchObject({
    ok: true,
    file: "…/p.yaml",
    table_date: expect.stringMatching(/^2026-/),
    prices: [
      { name: "gpt-test", source: "…/p.yaml", cached_input_usd_per_mtok: "500", output_usd_per_mtok: "2000" },
      { name: "acme-*", audio_usd_per_minute: "0.01", batch: { audio_usd_per_minute: "0.005" } },
    ],
  });
  const bad = await prices("check p.yaml --json", "modles: {}");
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.out)).toMatchObject({
    ok: false,
    problems: [{ code: "missing" }, { code: "unknown_name", line: 1, name: "modles" }],
  });
});

test.each([
  [
    "p.yaml",
    'models:\n  m: { inputs_usd_per_mtok: "1" }',
    "…/p.yaml:2: models.m.inputs_usd_per_mtok is not a known key (did you mean input_usd_per_mtok?) [unknown_name]",
  ],
  ["none.yaml", right, "…/none.yaml: the price file does not exist [unreadable_file]"],
])("check %s with %j fails, and says where", async (file, text, said) => {
  const { code, err } = await prices(`check ${file}`, text);
  expect([code, err]).toEqual([1, expect.stringContaining(said)]);
});

test.each(["check --nope", "check p.yaml q.yaml", "list p.yaml", "list --model", "list --no-offline"])(
  "%s is wrong usage",
  async (line) => {
    expect((await prices(line)).code).toBe(2);
  },
);

test("list puts the file before the table in the binary", async () => {
  const { code, out } = await prices("list --prices-path p.yaml --json");
  const rows: { name: string; source: string }[] = JSON.parse(out);
  expect([code, rows[0]?.name, rows[0]?.source]).toEqual([0, "gpt-test", "…/p.yaml"]);
  expect(rows.find(({ name }) => name === "gpt-4o")?.source).toBe("built in");
  expect((await prices("list")).out).toContain("\ngpt-4o-mini ");
});

test("list --model tells what a name would be paid as, and by which entry (USE-107)", async () => {
  const { code, out } = await prices("list --model openai/gpt-4o-mini-2024-07-18");
  expect([code, out.replaceAll(/ +/g, " ")]).toEqual([
    0,
    expect.stringContaining("Entry: gpt-4o-mini\nFrom: built in\ninput_usd_per_mtok: 0.15\n"),
  ]);
  expect(out.replaceAll(/ +/g, " ")).toContain("batch.output_usd_per_mtok: 0.3\n");
  const json = await prices("list --prices-path p.yaml --model ACME-1 --json");
  expect(JSON.parse(json.out)).toMatchObject({ model: "ACME-1", name: "acme-*", source: "…/p.yaml" });
});

test("list --model fails for a model that has no price", async () => {
  const { code, out, err } = await prices("list --model gpt-5-new");
  expect({ code, out, err }).toEqual({
    code: 1,
    out: "",
    err: 'Error: No price stands for "gpt-5-new"\nGive it one in the file that PRICES_PATH names\n',
  });
});
