import { expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { projectRoot } from "../packaging/binary.ts";
import { pages } from "./pages.ts";

/** Of headings, as code hosts make them. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-"),
  );
}

function isThere(from: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? join(projectRoot, from) : join(projectRoot, dirname(from), path);
  if (!existsSync(target)) return false;
  if (anchor === undefined) return true;
  return statSync(target).isFile() && anchorsOf(readFileSync(target, "utf8")).includes(anchor);
}

test.each(pages.map(({ file, text }) => [file, text]))("every link in %s leads somewhere", (file, text) => {
  const prose = text.replace(/^```.*?^```$/gms, "");
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  expect(links.filter((link) => !/^https?:/.test(link) && !isThere(file, link))).toEqual([]);
});

test("the index leads to every page", () => {
  const index = pages.find(({ file }) => file === "docs/index.md")?.text ?? "";
  const others = pages.map(({ file }) => file).filter((file) => /^docs\/(?!index\.md)/.test(file));
  expect(others.filter((file) => !index.includes(`](${file.slice("docs/".length)})`))).toEqual([]);
});

test("each dependency has its reason on the page, and the page names no other", () => {
  const page = pages.find(({ file }) => file === "docs/dependencies.md")?.text ?? "";
  const named = [...page.split("## What we write ourselves")[0]!.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(
    ([, cell]) => [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  );
  const { dependencies, devDependencies } = packageJson;
  expect(named.sort()).toEqual(Object.keys({ ...dependencies, ...devDependencies }).sort());
});

test("every file that the architecture page names is there", () => {
  const page = pages.find(({ file }) => file === "docs/architecture.md")?.text ?? "";
  const named = [...page.matchAll(/`([\w./-]+\/[\w./-]+\.(?:ts|yaml|cjs))`/g)].map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(30);
  const isThere = (name: string): boolean =>
    ["", "src"].some((room) => existsSync(join(projectRoot, room, name)));
  expect(named.filter((name) => !isThere(name))).toEqual([]);
});
