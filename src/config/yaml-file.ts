import type { Node } from "yaml";
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import type { Problem } from "./problem.ts";

/** Texts, lists and maps: no value is more than text before a setting's own grammar has read it. */
export type YamlValue = string | readonly YamlValue[] | { readonly [key: string]: YamlValue };

/** A parsed file that knows its lines. */
export interface YamlFile {
  /** Undefined for an empty file. */
  readonly value: YamlValue | undefined;
  /** Line of the key or list entry at this path, or of the nearest one above it. */
  lineOf(path: readonly string[]): number;
}

// The parser's own messages can repeat a piece of the file, which may hold secrets.
const sentences: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "a tab indents this line: use spaces",
  BAD_INDENT: "the indentation does not fit the lines above",
  MULTIPLE_DOCS: "a second document begins here: keep one per file",
  NON_STRING_KEY: "this key is not a plain word",
  MISSING_CHAR: "a quote, bracket or colon is missing",
  BLOCK_AS_IMPLICIT_KEY: "a second colon stands in this line: put the value in quotes",
  BAD_SCALAR_START: "the value begins with a reserved character: put it in quotes",
  TAG_RESOLVE_FAILED: "tags (!…) are not used here: remove it",
};

/** Parses YAML 1.2 with all scalars as text. Wrong syntax, duplicate keys and tags are problems with their lines. */
export function parseYaml(file: string, text: string): Result<YamlFile, readonly Problem[]> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    schema: "failsafe",
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
    logLevel: "error",
  });
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  const faults = [...document.errors, ...document.warnings].map((fault): Problem => {
    const key = /^["']?([\w.-]+)/.exec(text.slice(fault.pos[0]))?.[1];
    const message =
      fault.code === "DUPLICATE_KEY"
        ? `the key ${key ?? ""} is set twice: remove one`
        : (sentences[fault.code] ?? `this is not valid YAML (${fault.code})`);
    return { code: "invalid_syntax", file, line: lineAt(fault.pos[0]), name: "", message };
  });
  if (faults.length > 0) return fail(faults);
  try {
    const value =
      document.contents === null ? undefined : (document.toJS({ maxAliasCount: 100 }) as YamlValue);
    return ok({
      value: value === "" ? undefined : value,
      lineOf: (path) => lineAt(offsetOf(document.contents, path)),
    });
  } catch {
    // An alias without its anchor, or one that multiplies itself, shows only here.
    return fail([
      {
        code: "invalid_syntax",
        file,
        name: "",
        message: "an alias (*…) in it leads nowhere or grows too large",
      },
    ]);
  }
}

function offsetOf(root: Node | null, path: readonly string[]): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const step of path) {
    const next = childOf(node, step);
    if (next === undefined) break;
    offset = next.offset;
    node = next.value;
  }
  return offset;
}

function childOf(node: unknown, step: string): { offset: number; value: unknown } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
    return isScalar(pair?.key) ? { offset: pair.key.range?.[0] ?? 0, value: pair.value } : undefined;
  }
  const item = isSeq(node) ? node.items[Number(step)] : undefined;
  return isNode(item) ? { offset: item.range?.[0] ?? 0, value: item } : undefined;
}
