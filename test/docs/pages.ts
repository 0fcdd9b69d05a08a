import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../packaging/binary.ts";

export interface Page {
  /** From the root of the project. */
  readonly file: string;
  readonly text: string;
}

/** Every page that a reader may come to. */
export const pages: readonly Page[] = ["*.md", "docs/**/*.md"]
  .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync(projectRoot)])
  .sort()
  .map((file) => ({ file, text: readFileSync(join(projectRoot, file), "utf8") }));

/** Shell blocks that are marked as runnable: a fence with `sh run` after it. */
export function runnableBlocks(text: string): readonly string[] {
  return [...text.matchAll(/^```sh run\n(.*?)^```$/gms)].map(([, block]) => block ?? "");
}
