import type { KeyCache } from "../cache/key-cache.ts";
import type { Providers } from "../provider/provider.ts";
import type { CheckPolicy } from "./authorise.ts";
import { checkBody } from "./body.ts";
import type { Body, Call, Permit } from "./call.ts";
import type { Route } from "./leg.ts";

interface FallbackDeps {
  readonly providers: Providers;
  readonly keys: KeyCache;
  readonly checkPolicy: CheckPolicy;
}

/** The way of a request to another provider of that name; undefined where it may not go there. */
export type FindFallback = (
  call: Call,
  permit: Permit,
  body: Body,
  name: string,
) => Promise<Route | undefined>;

/**
 * A request may go to another provider only if it can be sent again, if the project has a key there or none is needed,
 * and if that provider's own rules let it through as they would a request of its own.
 */
export function createFindFallback({ providers, keys, checkPolicy }: FallbackDeps): FindFallback {
  return async (call, permit, body, name) => {
    const provider = providers.byName.get(name);
    if (provider === undefined || body.kind === "streamed") return undefined;
    const ring = await keys.find(permit.grant.project.id, name);
    if (ring.keys.length === 0 && provider.auth.scheme !== "none") return undefined;
    const route = { ...permit, provider, ring };
    if (checkPolicy(call, route) !== undefined) return undefined;
    const isUnchecked = body.kind === "none" || provider.paramWhitelist.size === 0;
    // Whether it may stream is a setting of all providers, and was checked for the first.
    if (isUnchecked || (await checkBody(call.request.headers, body.bytes, route, true)) === undefined)
      return route;
    return undefined;
  };
}
