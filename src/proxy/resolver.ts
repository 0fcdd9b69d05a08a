import type { Clock } from "../clock.ts";
import { fail, ok, type Result } from "../result.ts";
import { EgressFault } from "./egress-fault.ts";

/** An address of a name, and for how long it may be kept. */
export interface Resolved {
  readonly address: string;
  readonly ttlS: number;
}

/** Asks for all addresses of a name; rejects where there are none or no answer. */
export type Lookup = (name: string) => Promise<readonly Resolved[]>;

/** The same array as long as the addresses of the name are the same. */
export type Addresses = Result<readonly string[], EgressFault>;

export interface ResolverDeps {
  readonly lookup: Lookup;
  readonly clock: Clock;
}

const ttlMsMin = 1_000;
const ttlMsMax = 300_000;
/** How long an answer that has had its time serves on while a new one is asked for. */
const refreshMsMax = 30_000;
/** How long it serves on where there is no new one: an outage of the resolver must not be one of all providers. */
const staleMsMax = 600_000;
/** A failure is kept for this long. */
const askAgainMs = 1_000;

interface Entry {
  addresses: readonly string[];
  fault: EgressFault;
  /** When to ask next. */
  askAtMs: number;
  /** Until then the addresses serve without waiting, and until then where there is nothing newer. */
  serveUntilMs: number;
  staleUntilMs: number;
  asking: Promise<void> | undefined;
}

/**
 * Addresses of names, kept for their time to live. A name that is in use is asked for again in the background, so that
 * no request waits for that; names asked for at once share one question.
 */
export function createResolver({
  lookup,
  clock,
}: ResolverDeps): (name: string) => Addresses | Promise<Addresses> {
  const entries = new Map<string, Entry>();

  async function ask(name: string, entry: Entry): Promise<void> {
    try {
      const found = await lookup(name);
      const nowMs = clock.monotonic();
      const ttlMs = Math.min(...found.map(({ ttlS }) => ttlS * 1_000));
      const addresses = found.map(({ address }) => address);
      if (!isSame(addresses, entry.addresses)) entry.addresses = addresses;
      entry.askAtMs = nowMs + Math.min(Math.max(ttlMs, ttlMsMin), ttlMsMax);
      entry.serveUntilMs = entry.askAtMs + refreshMsMax;
      entry.staleUntilMs = entry.askAtMs + staleMsMax;
    } catch (error) {
      entry.fault = toFault(name, error);
      entry.askAtMs = clock.monotonic() + askAgainMs;
    }
    entry.asking = undefined;
  }

  function answer({ addresses, fault, staleUntilMs }: Entry): Addresses {
    return clock.monotonic() < staleUntilMs ? ok(addresses) : fail(fault);
  }

  return (name) => {
    const entry = entries.get(name) ?? emptyEntry(name);
    entries.set(name, entry);
    const nowMs = clock.monotonic();
    if (nowMs >= entry.askAtMs) entry.asking ??= ask(name, entry);
    if (nowMs < entry.serveUntilMs || entry.asking === undefined) return answer(entry);
    return entry.asking.then(() => answer(entry));
  };
}

function emptyEntry(name: string): Entry {
  const fault = toFault(name, undefined);
  return { addresses: [], fault, askAtMs: 0, serveUntilMs: 0, staleUntilMs: 0, asking: undefined };
}

function toFault(name: string, error: unknown): EgressFault {
  const code = String((error as { code?: unknown } | undefined)?.code ?? "no address");
  return code === "DNS_ETIMEOUT"
    ? new EgressFault("silent", `the resolver does not say where ${name} is`)
    : new EgressFault("unreachable", `the name ${name} cannot be resolved (${code.replace("DNS_", "")})`);
}

/** The order is left out: resolvers turn it from answer to answer. */
function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each) => others.includes(each));
}
