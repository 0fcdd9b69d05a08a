import type { AuditAction, Caller } from "../audit/entry.ts";
import type { Audit } from "../audit/service.ts";
import { type Problem, problemResponse } from "./problem.ts";

/** What each route would have done. The requests are looked at without a line in the trail (contract section 7). */
const actions: Readonly<Record<string, AuditAction>> = {
  "GET /manage/projects": "project.list",
  "POST /manage/projects": "project.create",
  "GET /manage/projects/:id": "project.read",
  "PATCH /manage/projects/:id": "project.update",
  "POST /manage/projects/:id/tokens/revoke": "token.revoke_batch",
  "GET /manage/projects/:id/keys": "project.key_list",
  "POST /manage/projects/:id/keys": "project.key_add",
  "DELETE /manage/projects/:id/keys/:key_id": "project.key_remove",
  "GET /manage/tokens": "token.list",
  "POST /manage/tokens": "token.create",
  "PATCH /manage/tokens/:id": "token.update",
  "GET /manage/audit": "audit.list",
  "POST /manage/cache/purge": "cache.purge",
};

/** Where the trail does not give the code as the reason (contract 1.4). */
const reasons: Readonly<Record<string, string>> = { "POST /manage/cache/purge": "invalid_json" };

/** A request and the route that it was for, as `/manage/projects/:id`. */
export interface Routed {
  readonly request: Request;
  readonly route: string;
}

/** Answers a request that a service never sees, for it is not what its route takes. */
export type Refuse = (routed: Routed, problem: Problem) => Response;

/** Writes such a refusal into the audit trail where its caller was admitted: which field, never its value. */
export function createRefuse(deps: {
  readonly audit: Pick<Audit, "record">;
  readonly admittedCaller: (request: Request) => Caller | undefined;
}): Refuse {
  return ({ request, route }, problem) => {
    const caller = deps.admittedCaller(request);
    const name = routeName({ request, route });
    const action = actions[name];
    if (caller !== undefined && action !== undefined) {
      deps.audit.record(action, "failure", caller, {
        reason: reasons[name] ?? problem.code,
        details: { validation_error: problem.field ?? "body" },
      });
    }
    return problemResponse(problem);
  };
}

/** As `GET /manage/projects`. */
export function routeName({ request: { method }, route }: Routed): string {
  return `${method === "HEAD" ? "GET" : method} ${route}`;
}
