import type { Caller } from "../audit/entry.ts";
import type { Audit } from "../audit/service.ts";
import type { Clock } from "../clock.ts";
import { isSameSecret } from "../crypto/constant-time.ts";
import type { Secret } from "../secret.ts";
import type { Problem } from "./problem.ts";

/** Failed tries from one client address within a minute; from then on a failed try gets 429. */
export const failedTriesMax = 100;
const windowMs = 60_000;
/** Addresses remembered at once; the one that failed first goes. */
const addressesMax = 10_000;

interface GuardDeps {
  readonly managementToken: Secret;
  readonly audit: Pick<Audit, "record">;
  readonly clock: Clock;
}

/** Says what is wrong with an Authorization header; undefined: it holds the management token. */
export type Guard = (authorization: string | null, caller: Caller) => Problem | undefined;

/**
 * Checks the management token, in constant time. The right one is always accepted, so that nobody is locked out by
 * somebody else's failures behind the same address; past the limit failed tries get 429 and are audited no longer.
 */
export function createGuard({ managementToken, audit, clock }: GuardDeps): Guard {
  const failures = new Map<string, { count: number; readonly endsAtMs: number }>();

  function countFailure(address: string): { readonly count: number; readonly leftMs: number } {
    const nowMs = clock.monotonic();
    let entry = failures.get(address);
    if (entry === undefined || entry.endsAtMs <= nowMs) {
      failures.delete(address);
      entry = { count: 0, endsAtMs: nowMs + windowMs };
      failures.set(address, entry);
      const [oldest] = failures.keys();
      if (failures.size > addressesMax && oldest !== undefined) failures.delete(oldest);
    }
    entry.count += 1;
    return { count: entry.count, leftMs: entry.endsAtMs - nowMs };
  }

  return (authorization, caller) => {
    const presented = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
    if (presented !== undefined && isSameSecret(presented, managementToken)) return undefined;

    const { count, leftMs } = countFailure(caller.clientIp);
    if (count > failedTriesMax)
      return { code: "too_many_attempts", headers: { "retry-after": String(Math.ceil(leftMs / 1_000)) } };
    const reason = presented === undefined ? "credential_missing" : "credential_wrong";
    audit.record("management.auth", "denied", caller, { reason });
    const headers = { "www-authenticate": "Bearer" };
    return presented === undefined
      ? { code: "unauthorized", headers }
      : { code: "unauthorized", error: "invalid management token", headers };
  };
}
