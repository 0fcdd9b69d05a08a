import type { Grant } from "../cache/grant-cache.ts";
import type { KeyCache, KeyRing } from "../cache/key-cache.ts";
import { compileAllowList, readDecoded } from "../project/policy.ts";
import type { Provider, Providers } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Call, Permit } from "./call.ts";
import type { Refusal } from "./refuse.ts";

interface AuthoriseDeps {
  readonly providers: Providers;
  readonly keys: KeyCache;
  readonly enforceProjectActive: boolean;
  readonly checkPolicy: CheckPolicy;
}

/** With the provider that it is about, as far as one is known: its dialect words the refusal. */
export type AuthoriseRefusal = Refusal & { readonly chosen?: Provider | undefined };

interface PolicyDeps {
  readonly providers: Providers;
  readonly mayOrigin: (provider: Provider, origin: string) => boolean;
}

/** What a provider's own rules have against a request, but for its body. */
export type CheckPolicy = (call: Call, to: Pick<Permit, "provider" | "path">) => Refusal | undefined;

/** The rules of all providers about method, path, origin and headers, in that order. */
export function createCheckPolicy({ providers, mayOrigin }: PolicyDeps): CheckPolicy {
  const mayCall = new Map(
    [...providers.byName].map(([name, provider]) => [name, compileAllowList(provider.allowedEndpoints)]),
  );

  return (call, { provider, path }) => {
    const { method, headers } = call.request;
    if (!provider.allowedMethods.includes(method))
      return { code: "method_not_allowed", method, allowed: provider.allowedMethods };
    const decoded = readDecoded(path);
    if (!decoded.ok) return { code: decoded.error };
    const isAllowed = mayCall.get(provider.name);
    const readings = new Set([path, decoded.value, withOneSlash(path)]);
    if (isAllowed === undefined || ![...readings].every(isAllowed)) return { code: "endpoint_not_found" };
    const origin = headers.get("origin");
    if (origin !== null && !mayOrigin(provider, origin)) return { code: "origin_not_allowed" };
    const missing = provider.requiredHeaders.find((name) => !headers.has(name));
    if (missing === "origin") return { code: "origin_required" };
    return missing === undefined ? undefined : { code: "header_required", header: missing };
  };
}

/** Step 3: project active, which provider, and what that provider's rules say; in that order. */
export function createAuthorise(deps: AuthoriseDeps) {
  /** `/<provider>/…` picks another provider if the project has a key for it; else its own. */
  async function choose(call: Call, grant: Grant): Promise<Choice | undefined> {
    const { project } = grant;
    const end = call.path.indexOf("/", 1);
    const named = end > 1 ? deps.providers.byName.get(call.path.slice(1, end)) : undefined;
    if (named !== undefined) {
      const ring = await deps.keys.find(project.id, named.name);
      const isKeyless = named.auth.scheme === "none" && named.name === project.provider;
      if (ring.keys.length + ring.unreadable > 0 || isKeyless)
        return { provider: named, path: call.path.slice(end), ring };
    }
    const own = deps.providers.byName.get(project.provider);
    return own && { provider: own, path: call.path, ring: undefined };
  }

  return async (call: Call, grant: Grant): Promise<Result<Permit, AuthoriseRefusal>> => {
    if (!grant.project.isActive && deps.enforceProjectActive)
      return fail({ code: "project_inactive", chosen: deps.providers.byName.get(grant.project.provider) });
    const choice = await choose(call, grant);
    if (choice === undefined) return fail({ code: "provider_not_found", provider: grant.project.provider });
    const refusal = deps.checkPolicy(call, choice);
    return refusal === undefined ? ok({ ...choice, grant }) : fail({ ...refusal, chosen: choice.provider });
  };
}

/** The reading of `fetch`, which takes several slashes at the start for one. */
function withOneSlash(path: string): string {
  return path.replace(/^\/{2,}/, "/");
}

interface Choice {
  readonly provider: Provider;
  readonly path: string;
  readonly ring: KeyRing | undefined;
}
