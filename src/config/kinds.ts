import { isIP } from "node:net";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import { Secret } from "../secret.ts";
import { parseBaseUrl, parseHttpUrl } from "./base-url.ts";
import type { Address, Bounds } from "./units.ts";
import {
  formatAddress,
  formatDuration,
  formatSize,
  parseAddress,
  parseBoolean,
  parseDecimal,
  parseDuration,
  parseInteger,
  parseSize,
} from "./units.ts";

/** What a setting's text may be, and what it becomes. Errors are the end of a sentence, see units.ts. */
export interface Kind<T> {
  /** For the reference page: `duration`. */
  readonly label: string;
  /** `secret`: masked wherever it shows, readable from a file. `list`: a YAML list as well. `path`: made absolute. */
  readonly nature: "flag" | "text" | "list" | "secret" | "path";
  parse(text: string): Result<T, string>;
  /** Undoes `parse`; what is secret comes out masked. */
  format(value: T): string;
}

/** A switch. */
export const boolean: Kind<boolean> = {
  label: "boolean",
  nature: "flag",
  parse: parseBoolean,
  format: String,
};

/** A whole number; the least is 0 unless said. */
export function integer(bounds: Bounds = {}): Kind<number> {
  return { label: "integer", nature: "text", parse: (text) => parseInteger(text, bounds), format: String };
}

/** A number with a fraction. */
export function decimal(bounds: Bounds): Kind<number> {
  return { label: "number", nature: "text", parse: (text) => parseDecimal(text, bounds), format: String };
}

/** Milliseconds. */
export function duration(bounds: Bounds = {}): Kind<number> {
  return {
    label: "duration",
    nature: "text",
    parse: (text) => parseDuration(text, bounds),
    format: formatDuration,
  };
}

/** A duration counted in a larger unit, in which a plain number is taken as well. */
export function durationIn(
  unit: { readonly name: string; readonly ms: number },
  bounds: Bounds,
): Kind<number> {
  return {
    label: `duration, or plain ${unit.name}`,
    nature: "text",
    parse: (text) => {
      if (/^\d+$/.test(text)) return parseInteger(text, bounds);
      const ms = parseDuration(text);
      if (!ms.ok) return ms;
      return ms.value % unit.ms === 0
        ? parseInteger(String(ms.value / unit.ms), bounds)
        : fail(`is not a whole number of ${unit.name}`);
    },
    format: (value) => formatDuration(value * unit.ms),
  };
}

/** Bytes. */
export function size(bounds: Bounds = {}): Kind<number> {
  return { label: "size", nature: "text", parse: (text) => parseSize(text, bounds), format: formatSize };
}

/** One of several words, in any case; `synonyms` are words for one of them. */
export function choice<const T extends string>(
  words: readonly T[],
  synonyms: ReadonlyMap<string, T> = new Map(),
): Kind<T> {
  return {
    label: words.join(" \\| "),
    nature: "text",
    parse: (text) => {
      const lower = text.toLowerCase();
      const word = words.find((known) => known === lower) ?? synonyms.get(lower);
      return word === undefined ? fail(`is not one of ${words.join(", ")}`) : ok(word);
    },
    format: (value) => value,
  };
}

/** The database driver: only SQLite is in this version. */
export const databaseDriver: Kind<"sqlite"> = {
  label: "sqlite",
  nature: "text",
  parse: (text) => {
    const driver = text.toLowerCase();
    if (driver === "sqlite") return ok("sqlite");
    if (driver === "postgres" || driver === "mysql") return fail("is not in this version yet: use sqlite");
    return fail("is not a database driver: use sqlite");
  },
  format: (value) => value,
};

/** Any text. */
export const text: Kind<string> = { label: "text", nature: "text", parse: ok, format: (value) => value };

/** A file or directory; a relative one is taken from the working directory. */
export const path: Kind<string> = {
  label: "path",
  nature: "path",
  parse: (value) => (value.includes("\0") ? fail("is not a path: it holds a zero byte") : ok(value)),
  format: (value) => value,
};

/** A path, or `off` or `none` for no file. */
export const pathOrOff: Kind<string | undefined> = {
  label: "path, or off",
  nature: "path",
  parse: (value) => (isOff(value) ? ok(undefined) : path.parse(value)),
  format: (value) => value ?? "off",
};

/** Host and port to listen on. */
export const address: Kind<Address> = {
  label: "address",
  nature: "text",
  parse: parseAddress,
  format: formatAddress,
};

/** An http or https address of a server, without a slash at the end. */
export const httpUrl: Kind<string> = urlKind(parseHttpUrl);

/** The same for a provider, where keys are sent to: refuses what `parseBaseUrl` refuses. */
export const baseUrl: Kind<string> = urlKind(parseBaseUrl);

function urlKind(parse: (text: string) => Result<URL, string>): Kind<string> {
  return {
    label: "URL",
    nature: "text",
    parse: (value) => {
      const url = parse(value);
      return url.ok ? ok(url.value.href.replace(/\/+$/, "")) : url;
    },
    format: (value) => value,
  };
}

/** The path of a page: `/metrics`. Whole segments, no slash at the end. */
export const urlPath: Kind<string> = {
  label: "URL path",
  nature: "text",
  parse: (value) =>
    /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(value)
      ? ok(value)
      : fail("is not a path of a page: write one such as /metrics"),
  format: (value) => value,
};

/** A comma-separated list, or a list in YAML; `none` is the empty one. Entries are as `check` hands them back. */
export function list(
  label: string,
  check: (item: string) => Result<string, string>,
): Kind<readonly string[]> {
  return {
    label: `list of ${label}`,
    nature: "list",
    parse: (value) => {
      const items: string[] = [];
      for (const item of isOff(value) ? [] : value.split(",").map((one) => one.trim())) {
        if (item === "") continue;
        const checked = check(item);
        if (!checked.ok) return fail(`holds an entry that ${checked.error}`);
        items.push(checked.value);
      }
      return ok(items);
    },
    format: (value) => (value.length === 0 ? "none" : value.join(",")),
  };
}

/** One network in CIDR form, `10.0.0.0/8` or `::1/128`; a single address becomes a network of one. */
export function checkNetwork(text: string): Result<string, string> {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  const bitsMax = version === 4 ? 32 : 128;
  const isBits = bits === undefined || parseInteger(bits, { max: bitsMax }).ok;
  if (version === 0 || !isBits || rest.length > 0 || address.includes("%")) {
    return fail("is not a network: write one such as 10.0.0.0/8 or ::1/128");
  }
  return ok(`${address}/${bits ?? bitsMax}`);
}

const placeholders = new Set(
  "changeme change-me change_me changeit replaceme replace-me replace_me secret password token admin example placeholder todo xxx your-token your-key your-management-token your_management_token your-secret".split(
    " ",
  ),
);

/** A text that must not be seen: printable ASCII without blanks. `check` may ask for more. */
export function secret(check: (text: string) => Result<string, string> = ok): Kind<Secret> {
  return {
    label: "secret",
    nature: "secret",
    parse: (value) => {
      if (!/^[\x21-\x7e]+$/.test(value))
        return fail("holds blanks, line ends or letters beyond ASCII: remove them");
      if (placeholders.has(value.toLowerCase()) || /^<.*>$/.test(value)) {
        return fail(
          "is a placeholder: replace it by a secret of its own, such as the output of openssl rand -hex 32",
        );
      }
      const checked = check(value);
      return checked.ok ? ok(new Secret(value)) : checked;
    },
    format: String,
  };
}

/** Base64 of exactly 32 bytes, in either alphabet. */
export function checkKey32(text: string): Result<string, string> {
  return /^(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9_-]{43})=?$/.test(text)
    ? ok(text)
    : fail("is not base64 of 32 bytes: make one with openssl rand -base64 32");
}

/** `sqlite:` or `file:` and a path. The text is never repeated, as it may hold a password. */
export function checkDatabaseUrl(text: string): Result<string, string> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return fail("is not a database URL: write sqlite:/path/to/llm-proxy.db");
  if (scheme !== "sqlite" && scheme !== "file") {
    return fail(
      `names a database of scheme ${scheme}, which is not in this version yet: write sqlite:/path/to/llm-proxy.db`,
    );
  }
  return databaseUrlPath(text) === "" || /[?#]/.test(text)
    ? fail("needs a path and nothing behind it: write sqlite:/path/to/llm-proxy.db")
    : ok(text);
}

/** The path in a database URL that `checkDatabaseUrl` has passed: `sqlite:a.db`, `sqlite:///var/a.db`. */
export function databaseUrlPath(url: string): string {
  return url.replace(/^[a-z]+:(?:\/\/(?:localhost(?=\/))?)?/i, "");
}

function isOff(text: string): boolean {
  return /^(?:off|none)$/i.test(text);
}
