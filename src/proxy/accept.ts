import { fail, ok, type Result } from "../result.ts";
import { isTokenText, looksLikeToken } from "../token/secret.ts";
import type { Arrival, Call } from "./call.ts";
import { withoutParameters } from "./query.ts";
import type { Refusal } from "./refuse.ts";
import { subprotocolKeys } from "./subprotocols.ts";

/** Header fields in which SDKs send their key; each is taken out on the way to the provider. */
export const credentialHeaders = ["authorization", "x-api-key", "api-key", "x-goog-api-key"] as const;

/**
 * Step 1: finds the token, wherever an SDK may have put it, and takes it out of the query.
 * All places must agree. `?key=` counts only when its value has the form of our tokens: it may be the provider's own.
 */
export function accept(arrival: Arrival): Result<Call, Refusal> {
  const found = new Set<string>();
  for (const name of credentialHeaders) {
    const value = arrival.request.headers.get(name);
    if (value !== null) found.add(name === "authorization" ? readBearer(value) : value.trim());
  }
  if (arrival.upgrade !== undefined)
    for (const key of subprotocolKeys(arrival.request.headers)) found.add(key);
  const query = takeKeys(arrival.query, found);
  const [credential, ...others] = found;
  if (others.length > 0) return fail({ code: "ambiguous_credentials" });
  if (credential === undefined || !isCredential(credential)) return fail({ code: "invalid_token" });
  return ok({ ...arrival, query, credential });
}

/** The scheme name is case-insensitive (RFC 9110, 11.1). */
function readBearer(value: string): string {
  return /^bearer +(\S+) *$/i.exec(value)?.[1] ?? "";
}

/** New tokens carry a checksum; those of an upgraded database are `sk-` and 22 characters. */
function isCredential(text: string): boolean {
  return isTokenText(text) || /^sk-[A-Za-z0-9_-]{22}$/.test(text);
}

/** Gives the query without our tokens in `key=`, whatever its case, and adds them to `found`. */
function takeKeys(query: string, found: Set<string>): string {
  if (!mayHoldKey.test(query)) return query;
  return withoutParameters(query, (name, value) => {
    const isOurs = name.toLowerCase() === "key" && looksLikeToken(value);
    if (isOurs) found.add(value);
    return isOurs;
  });
}

/** A `k`, plain or encoded, that begins a name: most queries have none and cost no more than this. */
const mayHoldKey = /[?&;](k|%6b|%4b)/i;
