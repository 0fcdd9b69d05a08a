import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { problems } from "../../src/api/problem.ts";
import { wordings } from "../../src/proxy/refuse.ts";
import { managementToken, startServer, type TestServer } from "./test-server.ts";

const docs = resolve(import.meta.dir, "../../docs");

interface Row {
  readonly status: number;
  readonly text: string;
  readonly description: string;
}

function table(rows: Readonly<Record<string, Row>>): string {
  const byStatus = Object.entries(rows).toSorted(([, a], [, b]) => a.status - b.status);
  return [
    "| status | code | error | what to do |",
    "| --- | --- | --- | --- |",
    ...byStatus.map(
      ([code, { status, text, description }]) => `| ${status} | \`${code}\` | ${text} | ${description} |`,
    ),
  ].join("\n");
}

const mapRows = <T>(of: Readonly<Record<string, T>>, row: (wording: T) => Row) =>
  Object.fromEntries(Object.entries(of).map(([code, wording]) => [code, row(wording)]));

describe("docs/errors.md", () => {
  const { client_cancelled: _, ...sent } = wordings; // nobody is left who would read it
  const generated = {
    management: table(mapRows(problems, ({ error, ...rest }) => ({ ...rest, text: error }))),
    "data-plane": table(mapRows(sent, ({ message, ...rest }) => ({ ...rest, text: message }))),
  };
  test.serial.each(Object.entries(generated))(
    "its table of the %s codes is the one made from the code (UPDATE_DOCS=1 writes it)",
    async (name, made) => {
      const page = join(docs, "errors.md");
      const marked = new RegExp(`(<!-- ${name}:begin -->\n)([\\s\\S]*?)(<!-- ${name}:end -->)`);
      const text = await Bun.file(page).text();
      if (process.env["UPDATE_DOCS"] === "1")
        await Bun.write(
          page,
          text.replace(marked, (_, begin, __, end) => `${begin}${made}\n${end}`),
        );
      else expect(marked.exec(text)?.[2]).toBe(`${made}\n`);
    },
  );
});

describe("docs/api.md", () => {
  const text = readFileSync(join(docs, "api.md"), "utf8");
  const [prelude = "", ...examples] = [...text.matchAll(/\n```sh\n([\s\S]*?)\n```/g)].map(
    ([, code]) => code ?? "",
  );
  const lines = examples.join("\n").split("\n");

  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("its examples are there", () => {
    expect(lines.length).toBeGreaterThan(20);
  });

  // an example is what a reader types into a shell
  test.skipIf(Bun.which("curl") === null || Bun.which("bash") === null)(
    "each example works as it stands",
    async () => {
      for (const line of lines) {
        const project = await server.newProject();
        const token = await server.newToken(project.id);
        const [key] = (await server.call("GET", `/manage/projects/${project.id}/keys`)).json;
        const helper = prelude.split("\n").at(-1);
        const run = Bun.spawn(["bash", "-euc", `${helper}\n${line.replace("team-a", crypto.randomUUID())}`], {
          env: {
            PATH: process.env["PATH"] ?? "",
            BASE: server.base,
            MANAGEMENT_TOKEN: managementToken,
            PROJECT: project.id,
            TOKEN: token.id,
            KEY: key.id,
          },
          stderr: "pipe",
        });
        const [exitCode, complaint] = await Promise.all([run.exited, new Response(run.stderr).text()]);
        expect([line, exitCode, complaint]).toEqual([line, 0, ""]);
      }
    },
    30_000,
  );

  test("what it says an answer holds is what it holds", async () => {
    const shown = [...text.matchAll(/\n```json\n([\s\S]*?)\n```/g)].map(([, code]) =>
      Object.keys(JSON.parse(code ?? "{}")),
    );
    const project = await server.newProject();
    const token = await server.newToken(project.id, { max_requests: 100 });
    expect(shown).toEqual([Object.keys(project), Object.keys(token)]);
  });
});
