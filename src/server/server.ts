import { Elysia, NotFoundError, ValidationError } from "elysia";
import { type Problem, problemResponse } from "../api/problem.ts";
import type { Api } from "../api/routes.ts";
import { validationProblem } from "../api/validation.ts";
import type { Caller } from "../audit/entry.ts";
import type { Logger } from "../logging/logger.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { accessTable, findAccess } from "./access.ts";
import { readBody } from "./body.ts";
import { createExchange } from "./exchange.ts";
import { type HealthDeps, healthRoutes } from "./health.ts";
import { isOneHost, isReserved, isUnder, readTarget, type Target } from "./path.ts";

/** A request of the data plane as the listener read it. */
export interface Inbound extends Target {
  /** Of the peer, without port. */
  readonly address: string;
}

/** What answers all paths that are not reserved; it never throws. */
export type DataPlane = (request: Request, inbound: Inbound) => Response | Promise<Response>;

/** What a listener serves: all; all but management; or management alone (`MANAGEMENT_LISTEN_ADDR`). */
export type Surface = "all" | "data" | "management";

export interface ServerDeps extends HealthDeps {
  readonly api: Api;
  readonly pipeline: DataPlane;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Largest body of a management request. */
  readonly maxRequestBytes: number;
  /** Whether a fault means that the database cannot be used. */
  readonly isStorageFault: (fault: unknown) => boolean;
}

export interface Server {
  /** Answers a request of a listener. */
  handle(request: Request, address: string, surface: Surface): Response | Promise<Response>;
  /** A management request without a socket, from whoever may open the database; it needs no credential. */
  manage(request: Request): Promise<Response>;
  /** From now on `/ready` is 503. */
  drain(): void;
  /** All that is registered, for the test that compares it with the access table. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}

/** What Elysia is told instead of the client's Host: with a short one it misreads the path (bun.md section 3). */
const internalOrigin = "http://management.internal";
const healthPaths = ["/health", "/ready", "/live"];

/** One Elysia app for both planes. */
export function createServer(deps: ServerDeps): Server {
  const { api } = deps;
  const table = accessTable(deps);
  const exchange = createExchange(deps);
  const inbounds = new WeakMap<Request, Inbound>();
  const callers = new WeakMap<Request, Caller>();
  let isDraining = false;

  /** Logs what nobody expected, and words it without its message. */
  function unexpected(fault: unknown, caller: Caller | undefined): Problem {
    const isStorage = deps.isStorageFault(fault);
    const fields = { error: fault, request_id: caller?.requestId, path: caller?.path };
    deps.logger.error(isStorage ? "the database cannot be used" : "an unexpected fault", fields);
    return { code: isStorage ? "storage_unavailable" : "internal_error" };
  }

  const app = new Elysia({ strictPath: true, normalize: false })
    .onRequest(({ request }) => {
      const inbound = inbounds.get(request);
      return inbound && deps.pipeline(request, inbound);
    })
    .onTransform(({ request, route }) => {
      // The table has been asked by path already; here it is asked by the route that was really chosen.
      const method = request.method === "HEAD" ? "GET" : request.method;
      const access = table.find((row) => row.path === route && row.method === method);
      const isClosed = access === undefined || access.who === "nobody";
      if (isClosed || (access.who === "management" && !api.isAdmitted(request))) throw new NotFoundError();
    })
    .onError(({ code, error, request, route }) => {
      if (error instanceof ValidationError)
        return problemResponse(validationProblem(error, `${request.method} ${route}`));
      if (code === "PARSE")
        return problemResponse({ code: "invalid_request_body", description: "It must be one JSON object" });
      if (code === "NOT_FOUND") return problemResponse({ code: "not_found" });
      return problemResponse(unexpected(error, callers.get(request)));
    })
    .use(healthRoutes(deps, () => isDraining))
    .use(api.routes())
    .compile();

  /** Checks what can be known before the body is read, reads it, and lets Elysia route what is left. */
  async function route(request: Request, target: Target, caller: Caller): Promise<Response> {
    const path = target.path.length > 1 ? target.path.replace(/\/$/, "") : target.path;
    const access = findAccess(table, { method: request.method, path });
    if ("allowed" in access) {
      const allow = access.allowed.join(", ");
      return problemResponse(
        allow === "" ? { code: "not_found" } : { code: "method_not_allowed", headers: { allow } },
      );
    }
    const isBodiless = ["GET", "HEAD", "DELETE"].includes(request.method);
    const body = isBodiless ? undefined : await readBody(request, deps.maxRequestBytes);
    if (body?.ok === false) {
      const code = body.error === "too_large" ? "request_too_large" : "invalid_request_body";
      return problemResponse({ code, headers: { connection: "close" } });
    }
    const inner = new Request(internalOrigin + path + target.query, {
      method: request.method,
      headers: request.headers,
      ...(body && { body: body.value }),
    });
    callers.set(inner, caller);
    if (access.who === "management") api.admit(inner, caller);
    return app.handle(inner);
  }

  const guarded = (request: Request, target: Target, caller: Caller): Promise<Response> | Response => {
    if (!isUnder(target.path, "/manage")) return route(request, target, caller);
    const manager = api.authenticate(caller, request.headers);
    return manager.ok ? route(request, target, manager.value) : problemResponse(manager.error);
  };

  /** Answers a request that the data plane never sees. */
  function answer(caller: Caller, work: () => Response | Promise<Response>) {
    return exchange(caller, async () => {
      try {
        return await work();
      } catch (fault) {
        return problemResponse(unexpected(fault, caller));
      }
    });
  }

  return {
    handle(request, address, surface) {
      const { method, headers } = request;
      const read = readTarget(request.url);
      const target = read !== "bad_host" && isOneHost(headers.get("host")) ? read : undefined;
      if (target !== undefined && surface !== "management" && !isReserved(target.path, deps)) {
        inbounds.set(request, { ...target, address });
        return app.handle(request);
      }
      const caller = api.readCaller({ method, path: target?.path ?? "", headers, address });
      return answer(caller, () => {
        if (target === undefined)
          return problemResponse({ code: "bad_request", headers: { connection: "close" } });
        return isServed(target.path, surface)
          ? guarded(request, target, caller)
          : problemResponse({ code: "not_found" });
      });
    },

    manage(request) {
      const { method, headers } = request;
      const target = readTarget(request.url);
      if (target === "bad_host" || !isUnder(target.path, "/manage"))
        return Promise.resolve(problemResponse({ code: "not_found" }));
      const caller = api.readCaller({ method, path: target.path, headers, address: "" });
      const admin: Caller = { ...caller, actor: "admin" };
      return answer(admin, () => route(request, target, admin));
    },
    drain: () => {
      isDraining = true;
    },
    routes: app.routes.map(({ method, path }) => ({ method, path })),
  };

  function isServed(path: string, surface: Surface): boolean {
    if (!isReserved(path, deps)) return false;
    return surface !== "data" || healthPaths.some((base) => isUnder(path, base));
  }
}
