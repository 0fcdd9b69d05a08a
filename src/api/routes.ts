import { Elysia } from "elysia";
import type { Caller } from "../audit/entry.ts";
import type { ClientIp } from "../client-ip.ts";
import type { Clock } from "../clock.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Secret } from "../secret.ts";
import { auditRoutes } from "./audit.ts";
import { cacheRoutes } from "./cache.ts";
import { type Arrival, asManager, readCaller } from "./caller.ts";
import { type Docs, docsRoutes } from "./docs.ts";
import { createGuard } from "./guard.ts";
import { keyRoutes } from "./keys.ts";
import { openapi } from "./openapi.ts";
import type { Problem } from "./problem.ts";
import { projectRoutes } from "./projects.ts";
import { createRefuse, type Refuse } from "./refusal.ts";
import { requestRoutes } from "./requests.ts";
import type { RouteDeps } from "./route.ts";
import { tokenRoutes } from "./tokens.ts";
import { usageRoutes } from "./usage.ts";

export interface ApiDeps extends Omit<RouteDeps, "callerOf" | "refuse"> {
  readonly managementToken: Secret;
  readonly clientIp: ClientIp;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly version: string;
  readonly docs: Docs;
}

/** The management API and its reference, for the server to put on its app. */
export interface Api {
  /** Everything under `/manage` and `/docs`. */
  routes(): ReturnType<typeof mount>;
  /** Who asks; nobody has been believed yet. */
  readCaller(arrival: Arrival): Caller;
  /** Checks the management token and gives the caller that acts by it. */
  authenticate(caller: Caller, headers: Headers): Result<Caller, Problem>;
  /** Lets this very request reach the management routes, in the name of `caller`. */
  admit(request: Request, caller: Caller): void;
  isAdmitted(request: Request): boolean;
  /** Resolves when the audit lines so far are written, or were counted as failed. */
  settle(): Promise<void>;
  /** Answers what does not fit the schema of its route. */
  readonly refuse: Refuse;
}

/** Builds the management API. Its routes answer only requests that were admitted. */
export function createApi(deps: ApiDeps): Api {
  const guard = createGuard(deps);
  const admitted = new WeakMap<Request, Caller>();
  const callerOf = (request: Request): Caller => {
    const caller = admitted.get(request);
    if (caller === undefined) throw new Error("A management route was reached past the guard");
    return caller;
  };
  const refuse = createRefuse({ audit: deps.audit, admittedCaller: (request) => admitted.get(request) });
  return {
    routes: () => mount({ ...deps, callerOf, refuse }),
    readCaller: (arrival) => readCaller(deps, arrival),
    authenticate(caller, headers) {
      const problem = guard(headers.get("authorization"), caller);
      return problem === undefined ? ok(asManager(caller, headers)) : fail(problem);
    },
    admit: (request, caller) => {
      admitted.set(request, caller);
    },
    isAdmitted: (request) => admitted.has(request),
    settle: () => deps.audit.flush(),
    refuse,
  };
}

function mount(deps: ApiDeps & RouteDeps) {
  return new Elysia({ normalize: false })
    .use(projectRoutes(deps))
    .use(keyRoutes(deps))
    .use(tokenRoutes(deps))
    .use(auditRoutes(deps))
    .use(requestRoutes(deps))
    .use(usageRoutes(deps))
    .use(cacheRoutes(deps))
    .use(docsRoutes(deps.docs))
    .use(openapi(deps.version));
}
