import { type Problem, problemResponse } from "../api/problem.ts";
import type { Api } from "../api/routes.ts";
import type { Caller } from "../audit/entry.ts";
import type { Logger } from "../logging/logger.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Upgrade } from "../proxy/client-socket.ts";
import { accessTable, findAccess } from "./access.ts";
import { readBody } from "./body.ts";
import { createExchange } from "./exchange.ts";
import type { HealthDeps } from "./health.ts";
import { isOneHost, isReserved, isUnder, readTarget, type Target, withoutSlash } from "./path.ts";
import { createRouter } from "./router.ts";

/** A request of the data plane as the listener read it. */
export interface Inbound extends Target {
  /** Of the peer, without port. */
  readonly address: string;
  /** There where the request asks for a WebSocket. */
  readonly upgrade: Upgrade | undefined;
  /** Tells that the answer is given: the connection may be closed now when it stays idle. */
  readonly rest: () => void;
}

/** What answers all paths that are not reserved; it never throws. */
export type DataPlane = (request: Request, inbound: Inbound) => Response | Promise<Response>;

/** What a listener serves: all; all but management; or management alone (`MANAGEMENT_LISTEN_ADDR`). */
export type Surface = "all" | "data" | "management";

/** The connection that a request came on. */
export type Connection = Pick<Inbound, "address" | "upgrade" | "rest"> & { readonly surface: Surface };

export interface ServerDeps extends Omit<HealthDeps, "isDraining" | "isManager"> {
  readonly api: Api;
  readonly pipeline: DataPlane;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Largest body of a management request. */
  readonly maxRequestBytes: number;
  /** How long that body may be silent; 0 is for ever. */
  readonly bodySilenceMs: number;
  /** Whether a fault means that the database cannot be used. */
  readonly isStorageFault: (fault: unknown) => boolean;
}

export interface Server {
  /** Answers a request of a listener. */
  handle(request: Request, connection: Connection): Response | Promise<Response>;
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

/** Both planes: tells them apart, and brings our own requests to their routes by way of guard and access table. */
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

  const app = createRouter({
    ...deps,
    table,
    isDraining: () => isDraining,
    isManager(request) {
      const caller = callers.get(request);
      return caller !== undefined && api.authenticate(caller, request.headers).ok;
    },
    unexpected: (fault, request) => unexpected(fault, callers.get(request)),
    dataPlane: (request) => {
      const inbound = inbounds.get(request);
      return inbound && deps.pipeline(request, inbound);
    },
  });

  /** Looks the route up, reads the body and lets Elysia do the rest. */
  async function route(request: Request, target: Target, caller: Caller): Promise<Response> {
    const { method, headers } = request;
    const path = withoutSlash(target.path);
    const access = findAccess(table, { method, path });
    if ("allowed" in access) return problemResponse(noRoute(access.allowed));
    const body = await readBody(request, { bytesMax: deps.maxRequestBytes, silenceMs: deps.bodySilenceMs });
    if (!body.ok) return problemResponse({ code: body.error, headers: { connection: "close" } });

    const inner = new Request(internalOrigin + path + target.query, {
      method,
      headers,
      ...(body.value && { body: body.value }),
    });
    callers.set(inner, caller);
    if (access.who === "management") api.admit(inner, caller);
    const response = await app.handle(inner);
    // A change is confirmed with its line in the trail, so that no crash can part them.
    if (access.who === "management" && method !== "GET") await api.settle();
    return response;
  }

  function guarded(request: Request, target: Target, caller: Caller): Response | Promise<Response> {
    if (!isUnder(target.path, "/manage")) return route(request, target, caller);
    const manager = api.authenticate(caller, request.headers);
    return manager.ok ? route(request, target, manager.value) : problemResponse(manager.error);
  }

  /** Answers a request that the data plane never sees. */
  function answer(caller: Caller, work: () => Response | Promise<Response>): Promise<Response> {
    return exchange(caller, async () => {
      try {
        return await work();
      } catch (fault) {
        return problemResponse(unexpected(fault, caller));
      }
    });
  }

  function isServed(path: string, surface: Surface): boolean {
    if (!isReserved(path, deps)) return false;
    return surface !== "data" || healthPaths.some((base) => isUnder(path, base));
  }

  return {
    handle(request, { surface, ...connection }) {
      const { method, headers } = request;
      const target = isOneHost(headers.get("host")) ? readTarget(request.url) : "bad_host";
      const path = target === "bad_host" ? "" : target.path;
      if (target !== "bad_host" && surface !== "management" && !isReserved(path, deps)) {
        inbounds.set(request, { ...target, ...connection });
        return app.fetch(request);
      }
      const caller = api.readCaller({ method, path, headers, address: connection.address });
      return answer(caller, () => {
        if (target === "bad_host") return problemResponse({ code: "bad_request" });
        if (!isServed(path, surface)) return problemResponse({ code: "not_found" });
        return guarded(request, target, caller);
      }).finally(connection.rest);
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
}

function noRoute(allowed: readonly string[]): Problem {
  if (allowed.length === 0) return { code: "not_found" };
  return { code: "method_not_allowed", headers: { allow: allowed.join(", ") } };
}
