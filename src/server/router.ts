import { Elysia, NotFoundError, ValidationError } from "elysia";
import { type Problem, problemResponse } from "../api/problem.ts";
import { routeName } from "../api/refusal.ts";
import type { Api } from "../api/routes.ts";
import { malformedProblem, validationProblem } from "../api/validation.ts";
import type { Access } from "./access.ts";
import { type HealthDeps, healthRoutes } from "./health.ts";

interface RouterDeps extends HealthDeps {
  readonly api: Api;
  readonly table: readonly Access[];
  /** In front of all routing: the answer of the data plane to a request that is its own, else undefined. */
  readonly dataPlane: (request: Request) => Response | Promise<Response> | undefined;
  /** Words a fault that nobody expected; logs it. */
  readonly unexpected: (fault: unknown, request: Request) => Problem;
  readonly isDraining: () => boolean;
}

/** The one Elysia app: the data plane on `onRequest`, our own routes behind it, and every error as a problem. */
export function createRouter(deps: RouterDeps) {
  const { api, table } = deps;
  return (
    new Elysia({ strictPath: true, normalize: false })
      .onRequest(({ request }) => deps.dataPlane(request))
      // The table has been asked by path already; here it is asked by the route that was really chosen.
      .onTransform(({ request, route }) => {
        const method = request.method === "HEAD" ? "GET" : request.method;
        const access = table.find((row) => row.path === route && row.method === method);
        if (access === undefined || access.who === "nobody") throw new NotFoundError();
        if (access.who === "management" && !api.isAdmitted(request)) throw new NotFoundError();
      })
      .onError(({ code, error, request, route }) => {
        if (error instanceof ValidationError)
          return api.refuse({ request, route }, validationProblem(error, routeName({ request, route })));
        if (code === "PARSE")
          return api.refuse({ request, route }, malformedProblem(routeName({ request, route })));
        if (code === "NOT_FOUND") return problemResponse({ code: "not_found" });
        return problemResponse(deps.unexpected(error, request));
      })
      .use(healthRoutes(deps))
      .use(api.routes())
      .compile()
  );
}
