import type { Clock } from "../clock.ts";
import { reachOf } from "../ip-reach.ts";
import { isLoopback } from "../provider/loopback.ts";
import type { Provider, ProviderTls } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import { EgressFault } from "./egress-fault.ts";
import { createIdleClose, type IdleClose } from "./idle-close.ts";
import type { Addresses } from "./resolver.ts";

/** Where a provider is connected to. */
export interface Target {
  /** Scheme, host and port of the connection; the host is an address, unless somebody else has to find that. */
  readonly origin: string;
  /** What `Host` has to say where the origin does not. */
  readonly host: string | undefined;
  readonly tls: ProviderTls | undefined;
  /** No outbound proxy stands between. */
  readonly isDirect: boolean;
}

type Located = Result<Target, EgressFault>;

export interface EgressDeps {
  readonly clock: Clock;
  readonly resolve: (name: string) => Addresses | Promise<Addresses>;
  /** Which of several addresses takes a connection. */
  readonly connectFirst: (
    addresses: readonly string[],
    port: number,
    withinMs: number,
  ) => Promise<Result<string, "refused" | "silent">>;
}

/** Finds the address of a provider, and keeps requests from those where it may not be. */
export interface Egress {
  /** `isTunnelled`: an outbound proxy is used where the environment names one. A promise only where there is something to wait for. */
  locate(provider: Provider, isTunnelled: boolean): Located | Promise<Located>;
  /** Nothing came of a connection to this target: the next request looks for another address. */
  lost(provider: Provider, target: Target): void;
  /** When connections to a target may be closed under a request. */
  readonly idle: IdleClose;
}

/** What all addresses of a name may take to say nothing. */
const connectMsMax = 30_000;

interface Choice {
  /** The addresses it was chosen from. */
  readonly from: readonly string[];
  readonly address: string;
  readonly located: { readonly ok: true; readonly value: Target };
}

/** What is known of where a provider is. */
interface Place {
  readonly name: string;
  readonly asWritten: Located;
  choice?: Choice | undefined;
  search?: Promise<Located> | undefined;
}

/**
 * A base URL that is an address or `localhost` is taken as it is. Every other name is resolved here, its addresses are
 * checked, and the connection goes to the one that was checked: what the name leads to a moment later plays no part. The
 * certificate is still the name's. Of several addresses the first that answers is used until it fails.
 */
export function createEgress({ resolve, connectFirst, clock }: EgressDeps): Egress {
  const places = new WeakMap<Provider, Place>();

  function placeOf(provider: Provider): Place {
    const known = places.get(provider);
    if (known !== undefined) return known;
    const { origin, tls } = provider;
    const asWritten = ok({ origin, host: undefined, tls, isDirect: isLoopback(origin) });
    const place = { name: new URL(origin).hostname, asWritten };
    places.set(provider, place);
    return place;
  }

  function choose(provider: Provider, place: Place, found: Addresses): Located | Promise<Located> {
    if (!found.ok) return found;
    const { choice } = place;
    if (choice?.from === found.value) return choice.located;
    const allowed = found.value.filter((address) => mayReach(provider, address));
    const [first] = allowed;
    if (first === undefined) return fail(refused(provider, place.name, found.value));
    const keep = (address: string): Located => {
      const located = ok(targetAt(provider, address));
      place.choice = { from: found.value, address, located };
      return located;
    };
    if (choice !== undefined && allowed.includes(choice.address)) return keep(choice.address);
    if (allowed.length === 1) return keep(first);
    place.search ??= searchAmong(provider, allowed).then((address) => {
      place.search = undefined;
      return address.ok ? keep(address.value) : address;
    });
    return place.search;
  }

  async function searchAmong(
    { origin }: Provider,
    addresses: readonly string[],
  ): Promise<Result<string, EgressFault>> {
    const { protocol, port, host } = new URL(origin);
    const first = await connectFirst(
      addresses,
      Number(port || (protocol === "https:" ? 443 : 80)),
      connectMsMax,
    );
    if (first.ok) return first;
    return first.error === "silent"
      ? fail(new EgressFault("silent", `nobody answers at ${host} (${addresses.join(", ")})`))
      : fail(new EgressFault("unreachable", `nobody takes connections at ${host} (${addresses.join(", ")})`));
  }

  return {
    idle: createIdleClose(clock),
    locate(provider, isTunnelled) {
      const place = placeOf(provider);
      if (provider.reach === "as_written" || (isTunnelled && provider.isProxied)) return place.asWritten;
      const found = resolve(place.name);
      return found instanceof Promise
        ? found.then((late) => choose(provider, place, late))
        : choose(provider, place, found);
    },
    lost(provider, target) {
      const place = placeOf(provider);
      if (place.choice?.located.value === target) place.choice = undefined;
    },
  };
}

/** Waits for the place of a provider no longer than the signal allows. */
export async function locateUntil(
  signal: AbortSignal,
  located: ReturnType<Egress["locate"]>,
): Promise<Located> {
  if (!(located instanceof Promise)) return located;
  const { promise, resolve } = Promise.withResolvers<Located>();
  const giveUp = () => resolve(fail(new EgressFault("silent", "no address was found in time")));
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  return await Promise.race([promise, located]).finally(() => signal.removeEventListener("abort", giveUp));
}

function mayReach({ reach }: Provider, address: string): boolean {
  const leadsTo = reachOf(address);
  return leadsTo === "public" || (leadsTo === "private" && reach === "private");
}

function refused({ name, reach }: Provider, host: string, addresses: readonly string[]): EgressFault {
  const leads = `${host} leads to ${addresses.join(", ")}`;
  const advice =
    reach === "private" || addresses.every((address) => reachOf(address) === "never")
      ? "where no provider may be: look at the name service"
      : `which is not public: if that is meant, set private: true for ${name}, else look at the name service`;
  return new EgressFault("address_refused", `${leads}, ${advice}`);
}

/** The name stays what is asked for, and what the certificate must be for (RFC 6066, 3: without a dot at its end). */
function targetAt({ origin, tls }: Provider, address: string): Target {
  const { protocol, hostname, port } = new URL(origin);
  const name = hostname.replace(/\.$/, "");
  const end = port === "" ? "" : `:${port}`;
  return {
    origin: `${protocol}//${address.includes(":") ? `[${address}]` : address}${end}`,
    host: name + end,
    tls: protocol === "https:" ? { serverName: name, ...tls } : undefined,
    isDirect: true,
  };
}
