import { expect, test } from "bun:test";
import { join } from "node:path";
import { openProgram } from "./main.ts";
import { commandReference } from "./reference.ts";

const page = join(import.meta.dir, "../docs/cli.md");
const marked = /(<!-- commands:begin -->\n)([\s\S]*?)(\n<!-- commands:end -->)/;

test("the reference in docs/cli.md is the one made from the commands (UPDATE_DOCS=1 writes it)", async () => {
  const reference = await commandReference(await openProgram());
  const text = await Bun.file(page).text();
  if (process.env["UPDATE_DOCS"] === "1") {
    await Bun.write(
      page,
      text.replace(marked, (_, begin, __, end) => `${begin}${reference}${end}`),
    );
    return;
  }
  expect(marked.exec(text)?.[2]).toBe(reference);
});
