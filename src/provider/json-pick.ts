import { createStringWalk } from "./json-strings.ts";

/** Finds a few values in JSON of any length as it passes. */
export interface JsonPick {
  push(bytes: Uint8Array): void;
  /** By path, in the case it was written in: what has come whole so far. Of names that come twice the last one counts. */
  readonly found: ReadonlyMap<string, unknown>;
  /** How many elements the arrays had whose elements are wanted (`data.*`), by the path of the array. */
  readonly counted: ReadonlyMap<string, number>;
}

interface PickOptions {
  /** Told each value that is found, those included that a later one of the same name takes the place of. */
  readonly onValue?: (path: string, value: unknown) => void;
  /** Values up to this are kept; a longer one counts as not there. Default 64 KiB. */
  readonly valueBytesMax?: number;
}

/** Paths made ready to be looked for: where the same ones are picked often, that is done once. */
export interface Wanted {
  readonly isValue: boolean;
  readonly below: ReadonlyMap<string, Wanted>;
}

/** An object or array that is open and has something wanted in it. */
interface Level {
  readonly wanted: Wanted;
  readonly path: string;
  readonly isArray: boolean;
  key: string;
  /** In an object: whether the next string is a name. */
  isAtName: boolean;
}

const keyBytesMax = 256;
const text = new TextDecoder();

/**
 * Picks the values at these paths (`usage`, `response.model`, `data.*` for each element of an array) out of one JSON
 * document, whatever the borders of its pieces, as `JSON.parse` would read them: escapes in names, the last of two.
 * Names match in any case. It never throws: of text that is no JSON it tells what looks like it. What is not wanted is
 * passed over; memory is bounded by the wanted paths.
 */
export function createJsonPick(paths: readonly string[] | Wanted, options: PickOptions = {}): JsonPick {
  const { onValue, valueBytesMax = 65_536 } = options;
  const found = new Map<string, unknown>();
  const counted = new Map<string, number>();
  const walk = createStringWalk();
  const levels: Level[] = [
    {
      wanted: "below" in paths ? paths : wantedPaths(paths),
      path: "",
      isArray: false,
      key: "",
      isAtName: false,
    },
  ];
  /** Open containers below the last level, which nobody looks into. */
  let depth = 0;
  let isInString = false;
  let isInScalar = false;
  /** The bytes of what is being kept: a name, or a value. */
  let kept: Kept | undefined;
  let keptPath: string | undefined;

  const top = (): Level => levels.at(-1) as Level;
  const isName = (): boolean => isInString && depth === 0 && top().isAtName;

  function startValue(at: number): Wanted | undefined {
    const level = top();
    const wanted = level.wanted.below.get(level.isArray ? "*" : level.key.toLowerCase());
    if (wanted === undefined) return undefined;
    const path = level.path === "" ? level.key : `${level.path}.${level.isArray ? "*" : level.key}`;
    if (level.isArray) counted.set(level.path, (counted.get(level.path) ?? 0) + 1);
    else forget(path);
    if (wanted.isValue && !level.isArray) {
      keptPath = path;
      kept = { from: at, pieces: [], bytes: 0 };
    }
    return wanted;
  }

  function forget(path: string): void {
    found.delete(path);
    for (const other of found.keys()) if (other.startsWith(`${path}.`)) found.delete(other);
    counted.delete(path);
  }

  function endValue(bytes: Uint8Array, end: number): void {
    const level = top();
    if (keptPath !== undefined) {
      const value = parse(take(bytes, end, valueBytesMax));
      if (value !== undefined) {
        found.set(keptPath, value);
        onValue?.(keptPath, value);
      }
      keptPath = undefined;
    }
    level.key = "";
  }

  function take(bytes: Uint8Array, end: number, bytesMax: number): string | undefined {
    if (kept === undefined) return undefined;
    const { pieces, from, bytes: before } = kept;
    kept = undefined;
    if (before + end - from > bytesMax) return undefined;
    const last = bytes.subarray(from, end);
    return text.decode(pieces.length === 0 ? last : Buffer.concat([...pieces, last]));
  }

  function open(at: number, isArray: boolean): void {
    if (depth > 0) {
      depth++;
      return;
    }
    const level = top();
    const isRoot = levels.length === 1;
    const wanted = isRoot ? (isArray ? undefined : level.wanted) : startValue(at);
    if (wanted === undefined || wanted.below.size === 0 || keptPath !== undefined) depth++;
    else
      levels.push({
        wanted,
        path: isRoot
          ? ""
          : level.path === ""
            ? level.key
            : `${level.path}.${level.isArray ? "*" : level.key}`,
        isArray,
        key: "",
        isAtName: !isArray,
      });
  }

  function close(bytes: Uint8Array, at: number): void {
    if (depth > 0) {
      depth--;
      if (depth === 0) endValue(bytes, at + 1);
    } else if (levels.length > 1) {
      levels.pop();
      top().key = "";
    }
  }

  function startString(at: number): void {
    isInString = true;
    if (depth > 0 || levels.length === 1) return;
    if (top().isAtName) kept = { from: at, pieces: [], bytes: 0 };
    else startValue(at);
  }

  function endString(bytes: Uint8Array, end: number): void {
    if (isName()) {
      const name = parse(take(bytes, end, keyBytesMax));
      top().key = typeof name === "string" ? name : "";
      top().isAtName = false;
    } else if (depth === 0) endValue(bytes, end);
    isInString = false;
  }

  /** One byte outside of strings. */
  function structure(bytes: Uint8Array, at: number): void {
    switch (bytes[at]) {
      case 0x22: // "
        startString(at);
        return;
      case 0x7b: // {
        open(at, false);
        return;
      case 0x5b: // [
        open(at, true);
        return;
      case 0x7d: // }
      case 0x5d: // ]
        close(bytes, at);
        return;
      case 0x2c: // ,
        if (depth === 0) top().isAtName = !top().isArray && levels.length > 1;
        return;
      case 0x3a: // :
      case 0x20:
      case 0x09:
      case 0x0a:
      case 0x0d:
        return;
      default:
        if (depth > 0 || levels.length === 1 || (bytes[at] ?? 0) >= 0x80) return;
        startValue(at);
        isInScalar = true;
    }
  }

  return {
    found,
    counted,
    push(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (isInString) {
          const end = walk.end(bytes, at);
          if (end < 0) break;
          endString(bytes, end);
          at = end;
        } else if (isInScalar && !endsScalar(bytes[at])) at++;
        else {
          if (isInScalar) {
            isInScalar = false;
            endValue(bytes, at);
          }
          structure(bytes, at);
          at++;
        }
      }
      if (kept !== undefined)
        add(kept, bytes, bytes.length, keptPath === undefined ? keyBytesMax : valueBytesMax);
    },
  };
}

interface Kept {
  /** Where it begins in the piece that is read now. */
  from: number;
  pieces: Uint8Array[];
  bytes: number;
}

/** Adds what the piece has of it; past the bound only its length is kept. */
function add(kept: Kept, bytes: Uint8Array, end: number, bytesMax: number): void {
  kept.bytes += end - kept.from;
  if (kept.bytes > bytesMax) kept.pieces = [];
  else kept.pieces.push(bytes.slice(kept.from, end)); // the piece may be given away, and its memory used again
  kept.from = 0;
}

function endsScalar(byte: number | undefined): boolean {
  return (
    byte === 0x2c || byte === 0x7d || byte === 0x5d || byte === 0x20 || (byte !== undefined && byte < 0x20)
  );
}

function parse(json: string | undefined): unknown {
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

interface Tree {
  isValue: boolean;
  readonly below: Map<string, Tree>;
}

/** `usage`, `response.model`, and `data.*` for the elements of an array. */
export function wantedPaths(paths: readonly string[]): Wanted {
  const root: Tree = { isValue: false, below: new Map() };
  for (const path of paths) {
    let node = root;
    for (const name of path.split(".")) {
      const key = name.toLowerCase();
      const next = node.below.get(key) ?? { isValue: false, below: new Map() };
      node.below.set(key, next);
      node = next;
    }
    node.isValue = true;
  }
  return root;
}
