/** What stands in place of a secret. */
const mask = "***";

/**
 * The shapes that secrets are known by: our tokens and sealed texts, the keys of providers, credentials in headers,
 * in queries and in JSON. Each is a fixed beginning and one run of characters, so that the time is linear.
 * What keeps its beginning (`Bearer `, `key=`) captures it.
 */
const shapes = [
  /\bsk-[\w-]{8,}/,
  /\benc:v\d:[\w+/=-]+/,
  /\bAIza[\w-]{20,}/,
  /\b(?:gsk|hf|r8)_\w{16,}/,
  /\b(?:xai|pplx|tgp)-\w{16,}/,
  /\bAKIA[A-Z0-9]{12,}/,
  /(?<scheme>\b(?:bearer|basic)\s)[\w.~+/=-]{8,}/,
  /(?<name>\b(?:api[_-]?key|key|token|password|secret|authorization)\\?["']?[=:]\s?\\?["']?)[\w.~+/%=-]{8,}/,
];

const secret = new RegExp(shapes.map((shape) => shape.source).join("|"), "gi");

/** Puts `***` in place of everything that has the shape of a secret. Safe on JSON text: it stays valid. */
export function redact(text: string): string {
  return text.replace(secret, (...match) => {
    const { scheme = "", name = "" } = match.at(-1) as { scheme?: string; name?: string };
    return scheme + name + mask;
  });
}
