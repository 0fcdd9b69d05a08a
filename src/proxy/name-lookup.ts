import type { Lookup, Resolved } from "./resolver.ts";

/** Name servers that say nothing for this long are silent. */
const silentMsMax = 5_000;
const otherWayMsMax = 1_000;

/**
 * Asks the name servers of the machine (and its file of hosts) for all addresses. Where they have none, the machine's own
 * way is tried as well, which knows what else there may be (mDNS, a resolv.conf that has changed); but not after a
 * silence, as that way keeps a thread waiting, and three of them stop all reading of files for ten seconds.
 */
export const lookupName: Lookup = async (name) => {
  try {
    return await ask(name, "c-ares", silentMsMax);
  } catch (error) {
    if ((error as { code?: unknown }).code === "DNS_ETIMEOUT") throw error;
    return await ask(name, "system", otherWayMsMax).catch(() => {
      throw error;
    });
  }
};

async function ask(name: string, backend: "c-ares" | "system", withinMs: number): Promise<Resolved[]> {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(Object.assign(new Error(), { code: "DNS_ETIMEOUT" })), withinMs);
  try {
    const found = await Promise.race([silence, Bun.dns.lookup(name, { backend })]);
    return found.map(({ address, ttl }) => ({ address, ttlS: ttl }));
  } finally {
    clearTimeout(timer);
  }
}
