import type { Grant, GrantCache } from "../cache/grant-cache.ts";
import type { Clock } from "../clock.ts";
import { fail, ok, type Result } from "../result.ts";
import { hashToken } from "../token/secret.ts";
import type { Call } from "./call.ts";
import type { Refusal } from "./refuse.ts";

/** Step 2: the token by its hash, and whether it may be used now. A refused one is told with its grant, for the books. */
export function createAuthenticate(deps: { readonly grants: GrantCache; readonly clock: Clock }) {
  return async (call: Call): Promise<Result<Grant, Refusal & { readonly grant?: Grant }>> => {
    const grant = await deps.grants.find(hashToken(call.credential));
    if (grant === undefined) return fail({ code: "token_not_found" });
    const { token } = grant;
    // Revoked first: the clean-up marks expired tokens inactive, and "expired" is the better word for those.
    if (token.expiresAtMs <= deps.clock.now()) return fail({ code: "token_expired", grant });
    if (!token.isActive) return fail({ code: "token_inactive", grant });
    const { expiresAtMs } = grant.project;
    if (expiresAtMs !== null && expiresAtMs <= deps.clock.now())
      return fail({ code: "project_expired", grant });
    return ok(grant);
  };
}
