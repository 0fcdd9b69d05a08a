import { randomBytes } from "node:crypto";
import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A secret from this length on is searched by halves, so that a copy that was cut off is found too. */
const HALVES_FROM_CHARACTERS = 32;

/** Where a secret was found: which, in what form, and where. */
export interface Sighting {
  readonly secret: string;
  readonly form: string;
  readonly where: string;
}

/** A secret that exists nowhere else, in the form of a provider key. @param label stands in the text */
export function newCanary(label: string): string {
  return `sk-canary-${label}-${randomBytes(20).toString("hex")}`;
}

/**
 * Looks for secrets in a text or in bytes: as they are, JSON-escaped, percent-encoded, hex, base64 and base64url at any
 * offset. Only whole or halved secrets are looked for: a mask that shows a few characters is not a sighting.
 * @param secrets the full texts, each 12 characters or more
 */
export function findSecrets(
  haystack: string | Buffer,
  secrets: readonly string[],
  where = "text",
): Sighting[] {
  const bytes = typeof haystack === "string" ? Buffer.from(haystack) : haystack;
  const lowered = bytes.toString("latin1").toLowerCase();
  return secrets.flatMap((secret) => {
    const seen = partsOf(secret)
      .flatMap(formsOf)
      .filter(({ text, anyCase }) => (anyCase ? lowered.includes(text.toLowerCase()) : bytes.includes(text)));
    return [...new Set(seen.map(({ form }) => form))].map((form) => ({ secret, form, where }));
  });
}

/** `findSecrets` over every file below a directory, and over the file names. */
export function findSecretsInDirectory(directory: string, secrets: readonly string[]): Sighting[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).flatMap((entry: Dirent) => {
    const path = join(entry.parentPath, entry.name);
    const content = entry.isFile() ? findSecrets(readFileSync(path), secrets, path) : [];
    return [...findSecrets(entry.name, secrets, `name of ${path}`), ...content];
  });
}

function partsOf(secret: string): string[] {
  if (secret.length < HALVES_FROM_CHARACTERS) return [secret];
  const middle = secret.length >> 1;
  return [secret.slice(0, middle), secret.slice(middle)];
}

interface Form {
  readonly form: string;
  readonly text: string;
  readonly anyCase?: true;
}

function formsOf(text: string): Form[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].map((offset) => base64Core(bytes, offset));
  const escaped: Form[] = [
    { form: "JSON", text: JSON.stringify(text).slice(1, -1) },
    { form: "percent-encoded", text: encodeURIComponent(text), anyCase: true },
  ];
  return [
    { form: "as it is", text },
    ...escaped.filter((form) => form.text !== text),
    { form: "hex", text: bytes.toString("hex"), anyCase: true },
    ...base64.map((core) => ({ form: "base64", text: core })),
    ...base64.map((core) => ({ form: "base64", text: core.replaceAll("+", "-").replaceAll("/", "_") })),
  ];
}

/** The characters of a base64 text that depend on `bytes` alone, when they stand `offset` bytes into a group of three. */
function base64Core(bytes: Buffer, offset: number): string {
  const skipped = [0, 2, 3][offset] ?? 0;
  const whole = Math.floor(((offset + bytes.length) * 8) / 6);
  return Buffer.concat([Buffer.alloc(offset), bytes])
    .toString("base64")
    .slice(skipped, whole);
}
