import { beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { temporaryDirectory } from "./harness/temporary-directory.ts";

const projectRoot = join(import.meta.dirname, "..");

interface Plant {
  readonly file: string;
  readonly text: string;
  /** The rule that has to name it. */
  readonly rule: string;
}

const plants: readonly Plant[] = [
  {
    file: "src/usage/upward.ts",
    text: 'import { row } from "../storage/innocent.ts";\nexport const upward = row;',
    rule: "src/usage may import",
  },
  {
    file: "src/token/type-only.ts",
    text: 'import type { Row } from "../storage/innocent.ts";\nexport type Mine = Row;',
    rule: "src/token may import",
  },
  {
    file: "src/proxy/sideways.ts",
    text: 'import { row } from "../storage/innocent.ts";\nexport const sideways = row;',
    rule: "src/proxy may import",
  },
  {
    file: "src/provider/dynamic.ts",
    text: 'export const dynamic = () => import("../storage/innocent.ts");',
    rule: "src/provider may import",
  },
  {
    file: "src/api/from-the-root.ts",
    text: 'import { app } from "../app.ts";\nexport const fromTheRoot = app;',
    rule: "src/api may import",
  },
  {
    file: "cli/around-the-door.ts",
    text: 'import { row } from "../src/storage/innocent.ts";\nexport const around = row;',
    rule: "cli may import",
  },
  {
    file: "src/result.ts",
    text: 'export { row } from "./storage/innocent.ts";',
    rule: "ground stands on nothing",
  },
  { file: "src/helpers/dump.ts", text: 'import "../result.ts";', rule: "every file has a room" },
  {
    file: "src/limit/disk.ts",
    text: 'import { readFileSync } from "node:fs";\nexport const disk = readFileSync;',
    rule: "domain does no I/O and needs no packages",
  },
  {
    file: "src/audit/package.ts",
    text: 'import pino from "pino";\nexport const log = pino;',
    rule: "domain does no I/O and needs no packages",
  },
  {
    file: "src/storage/second-driver.ts",
    text: 'import { Database } from "bun:sqlite";\nexport const second = Database;',
    rule: "bun:sqlite only in src/storage/sqlite.ts",
  },
  {
    file: "src/cache/framework.ts",
    text: 'import { Elysia } from "elysia";\nexport const app = new Elysia();',
    rule: "elysia, @elysiajs/[^/]+ only in src/server, src/api, web",
  },
  {
    file: "src/server/command.ts",
    text: 'import { defineCommand } from "citty";\nexport const command = defineCommand({});',
    rule: "citty only in cli",
  },
  {
    file: "src/metrics/a.ts",
    text: 'import { b } from "./b.ts";\nexport const a = () => b;',
    rule: "no cycles",
  },
  {
    file: "src/logging/from-a-test.ts",
    text: 'import { plan } from "../../test/plan.ts";\nexport const fromATest = plan;',
    rule: "sources do not import tests",
  },
  {
    file: "src/crypto/nowhere.ts",
    text: 'import { gone } from "./gone.ts";\nexport const nowhere = gone;',
    rule: "every import is found",
  },
];

const innocent = {
  "src/app.ts": 'import { row } from "./storage/innocent.ts";\nexport const app = row;',
  "src/storage/innocent.ts":
    'import { mine } from "../token/innocent.ts";\nexport const row = mine;\nexport type Row = 1;',
  "src/token/innocent.ts": "export const mine = 1;",
  "src/metrics/b.ts": 'import { a } from "./a.ts";\nexport const b = () => a;',
  "cli/main.ts": 'import { app } from "../src/app.ts";\nimport "citty";\nexport const main = app;',
  "test/plan.ts": 'import { row } from "../src/storage/innocent.ts";\nexport const plan = row;',
};

function plantTree(root: string, files: Readonly<Record<string, string>>): void {
  for (const room of ["src", "cli", "web", "migrations", "bench", "test"]) mkdirSync(join(root, room));
  for (const name of [".dependency-cruiser.cjs", "package.json", "tsconfig.json"]) {
    copyFileSync(join(projectRoot, name), join(root, name));
  }
  symlinkSync(join(projectRoot, "node_modules"), join(root, "node_modules"));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
}

async function checkImports(root: string): Promise<{ code: number; said: string }> {
  const child = Bun.spawn(["sh", join(projectRoot, ".ci/imports.sh")], {
    cwd: root,
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`, NO_COLOR: "1" },
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = await new Response(child.stdout).text();
  return { code: await child.exited, said };
}

describe("the import checker", () => {
  let found: { code: number; said: string };
  beforeAll(async () => {
    using tree = temporaryDirectory();
    plantTree(tree.path, {
      ...innocent,
      ...Object.fromEntries(plants.map(({ file, text }) => [file, text])),
    });
    found = await checkImports(tree.path);
  }, 30_000);

  test.each(plants.map((plant) => [plant.file, plant.rule]))("finds %s: %s", (file, rule) => {
    expect(found.code).not.toBe(0);
    expect(found.said.split("\n")).toContainEqual(expect.stringContaining(`error ${rule}: ${file} → `));
  });

  test("finds nothing else", () => {
    const isPlanted = (line: string): boolean => plants.some(({ file }) => line.includes(`: ${file} → `));
    const others = found.said.split("\n").filter((line) => line.includes(" error ") && !isPlanted(line));
    expect(others).toEqual([expect.stringContaining("no cycles: src/metrics/b.ts → src/metrics/a.ts")]);
  });

  test("lets a clean tree pass and says how much it saw", async () => {
    const { "src/metrics/b.ts": _, ...clean } = innocent;
    using tree = temporaryDirectory();
    plantTree(tree.path, clean);
    expect(await checkImports(tree.path)).toEqual({
      code: 0,
      said: expect.stringContaining(
        `${Object.keys(clean).length} of ${Object.keys(clean).length} files seen`,
      ),
    });
  }, 30_000);

  test("fails when it has not seen every file", async () => {
    using tree = temporaryDirectory();
    plantTree(tree.path, { "src/result.ts": "", "src/token/unseen.ts": "" });
    const config = join(tree.path, ".dependency-cruiser.cjs");
    writeFileSync(
      config,
      readFileSync(config, "utf8").replace("options: {", 'options: { exclude: "unseen",'),
    );
    const { code, said } = await checkImports(tree.path);
    expect([code, said]).toEqual([1, expect.stringContaining("1 of 2 files seen")]);
  }, 30_000);
});

const sources = [...new Bun.Glob("{src,cli,web,migrations}/**/*.{ts,tsx}").scanSync(projectRoot)].filter(
  (file) => !/(\.test|\.d)\.tsx?$/.test(file),
);

test("the environment is read in one place", async () => {
  const readers: string[] = [];
  for (const file of sources) {
    const text = await Bun.file(join(projectRoot, file)).text();
    if (/\b(process|Bun|import\.meta)\??\.env\b|\[.env.\]/.test(text)) readers.push(file);
  }
  expect(readers).toEqual(["src/config/load.ts"]);
});

// It makes every file known to the coverage report too: one that no test loads counts as it should.
test("every module can be imported", async () => {
  expect(sources.length).toBeGreaterThan(100);
  for (const file of sources) await import(join(projectRoot, file));
}, 30_000);
