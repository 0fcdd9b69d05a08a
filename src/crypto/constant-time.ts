import { createHash, timingSafeEqual } from "node:crypto";
import type { Secret } from "../secret.ts";

/**
 * Whether a text that came from outside is the secret. The time it takes tells neither how much of it is right nor
 * how long the secret is, because digests are compared (cases.md SEC-105).
 */
export function isSameSecret(given: string, expected: Secret): boolean {
  return timingSafeEqual(digest(given), digest(expected.reveal()));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
