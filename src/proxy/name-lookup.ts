import type { Lookup } from "./resolver.ts";

/** A resolver that says nothing for this long is silent. */
const silentMsMax = 5_000;

/**
 * Asks the name servers of the machine (and its file of hosts) for all addresses. Where they have none, the machine's own
 * way is tried as well, which knows what else there may be (mDNS, a resolv.conf that has changed); but not after a
 * silence, as that way keeps a thread waiting, and a few of them stop all reading of files.
 */
export const lookupName: Lookup = async (name) => {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(Object.assign(new Error(), { code: "DNS_ETIMEOUT" })), silentMsMax);
  try {
    return await Promise.race([silence, ask(name, "c-ares")]);
  } catch (error) {
    if ((error as { code?: unknown }).code === "DNS_ETIMEOUT") throw error;
    return await Promise.race([silence, ask(name, "system")]);
  } finally {
    clearTimeout(timer);
  }
};

async function ask(name: string, backend: "c-ares" | "system") {
  const found = await Bun.dns.lookup(name, { backend });
  return found.map(({ address, ttl }) => ({ address, ttlS: ttl }));
}
