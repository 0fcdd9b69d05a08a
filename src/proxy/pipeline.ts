import type { Grant } from "../cache/grant-cache.ts";
import type { Place } from "../limit/gate.ts";
import { dialectOf, guessDialect } from "../provider/dialects.ts";
import type { Provider } from "../provider/provider.ts";
import { routeOf } from "../provider/route.ts";
import type { Result } from "../result.ts";
import type { AuthoriseRefusal } from "./authorise.ts";
import type { Arrival, Body, Call, Hold, Inbound, Permit, Reply } from "./call.ts";
import type { Cors } from "./cors.ts";
import type { Emit } from "./emit.ts";
import { clientHeaders } from "./headers.ts";
import { createMeter, createSessionMeter } from "./meter.ts";
import { type Refusal, refusalResponse } from "./refuse.ts";
import { type End, isEventStream, relay } from "./relay.ts";
import type { Trace } from "./trace.ts";
import type { OpenSocket } from "./websocket.ts";

type Step<Value, Reason = Refusal> = Result<Value, Reason> | Promise<Result<Value, Reason>>;

/** The steps of a request, in their order; src/app.ts makes them. */
export interface Steps {
  arrive(request: Request, inbound: Inbound): Arrival;
  accept(arrival: Arrival): Step<Call>;
  authenticate(call: Call): Step<Grant, Refusal & { readonly grant?: Grant }>;
  authorise(call: Call, grant: Grant): Step<Permit, AuthoriseRefusal>;
  readBody(call: Call, permit: Permit): Step<Body>;
  /** Step 4, before the body is read. */
  enterLimits(permit: Permit): Result<Place, Refusal>;
  limit(call: Call, permit: Permit, body: Body, place: Place): Step<Hold>;
  forward(call: Call, permit: Permit, body: Body, hold: Hold): Step<Reply>;
  /** Step 5 of a request for a WebSocket. */
  openSocket(call: Call, permit: Permit, hold: Hold): Step<OpenSocket>;
  readonly emit: Emit;
  /** Words a fault that nobody expected; logs it. */
  unexpected(fault: unknown, arrival: Arrival): Refusal;
  readonly cors: Cors;
  /** The provider that a request without a token is for: named by the path, else the default. */
  preflightProvider(path: string): Provider;
  /** Takes a place among the requests under way; undefined when all are taken. Gives back how to leave it. */
  enter(): (() => void) | undefined;
  readonly timingHeaders: boolean;
}

/** The data plane as the server sees it. */
export type DataPlane = (request: Request, inbound: Inbound) => Promise<Response>;

/**
 * The data plane. Read it downwards: a request lives in this order.
 * A plain function of a Request, hung in front of Elysia's routing; it never throws.
 */
export function createPipeline(step: Steps): DataPlane {
  /** Whether what was allowed once still is, for what goes on for long. */
  async function recheck(call: Call): Promise<Refusal | undefined> {
    try {
      const grant = await step.authenticate(call);
      if (!grant.ok) return grant.error;
      const permit = await step.authorise(call, grant.value);
      return permit.ok ? undefined : permit.error;
    } catch (fault) {
      return step.unexpected(fault, call);
    }
  }

  return async (request, inbound) => {
    const arrival = step.arrive(request, inbound);
    if (request.method === "OPTIONS") {
      inbound.rest();
      step.emit.preflight();
      return step.cors.preflight(arrival, step.preflightProvider(arrival.path));
    }
    step.emit.started(arrival);
    const leave = step.enter();
    const trace: Trace = { arrival };
    let isEnded = false;
    const end = (): void => {
      if (isEnded) return;
      isEnded = true;
      leave?.();
      inbound.rest();
      step.emit.ended(trace);
    };
    const onEnd = (how: End): void => {
      trace.end = how;
      end();
    };
    const turnAway = (refusal: Refusal): Response => {
      trace.refusal = refusal;
      end();
      const dialect = trace.provider
        ? dialectOf(trace.provider.dialect)
        : guessDialect(arrival.path, request.headers);
      const response = refusalResponse(refusal, arrival, dialect);
      step.cors.expose(response.headers, arrival, trace.provider ?? step.preflightProvider(arrival.path));
      return response;
    };
    if (leave === undefined) return turnAway({ code: "overloaded" });

    try {
      const call = await step.accept(arrival);
      if (!call.ok) return turnAway(call.error);

      const grant = await step.authenticate(call.value);
      if (!grant.ok) {
        if (grant.error.grant) trace.grant = grant.error.grant;
        return turnAway(grant.error);
      }
      trace.grant = grant.value;

      const permit = await step.authorise(call.value, grant.value);
      trace.provider = permit.ok ? permit.value.provider : permit.error.chosen;
      if (!permit.ok) return turnAway(permit.error);
      trace.permit = permit.value;
      const path = permit.value.provider.basePath + permit.value.path;
      const route = routeOf(path);
      trace.route = route;

      const place = step.enterLimits(permit.value);
      if (!place.ok) return turnAway(place.error);
      trace.place = place.value;

      const body = await step.readBody(call.value, permit.value);
      if (!body.ok) return turnAway(body.error);
      trace.body = body.value;

      const hold = await step.limit(call.value, permit.value, body.value, place.value);
      if (!hold.ok) return turnAway(hold.error);
      trace.hold = hold.value;

      if (inbound.upgrade !== undefined) {
        const socket = await step.openSocket(call.value, permit.value, hold.value);
        if (!socket.ok) return turnAway(socket.error);
        trace.reply = socket.value.reply;
        trace.isStream = true;
        step.emit.streamStarted();
        const headers = clientHeaders(arrival, trace.reply, hold.value, { timing: step.timingHeaders });
        const session = createSessionMeter(path);
        trace.meter = session;
        const relayDeps = { recheck: () => recheck(call.value), onMessage: session.message, onEnd };
        const hasJoined = socket.value.join(inbound.upgrade, headers, relayDeps);
        return hasJoined ? trace.reply.upstream : turnAway({ code: "client_cancelled" });
      }

      const reply = await step.forward(call.value, permit.value, body.value, hold.value);
      if (!reply.ok) return turnAway(reply.error);
      trace.reply = reply.value;

      const { upstream, provider, deadline, requestLeftMs } = reply.value;
      trace.provider = provider;
      trace.isStream = isEventStream(upstream);
      if (trace.isStream) step.emit.streamStarted();
      const headers = clientHeaders(arrival, reply.value, hold.value, { timing: step.timingHeaders });
      step.cors.expose(headers, arrival, provider);
      const { method } = request;
      const meter = createMeter({ method, path, kind: route.kind, upstream });
      trace.meter = meter;
      const relayed = await relay(upstream, {
        arrival,
        deadline,
        requestLeftMs,
        dialect: dialectOf(provider.dialect),
        timeouts: provider.timeouts,
        meter,
        onEnd,
      });
      return new Response(relayed, { status: upstream.status, statusText: upstream.statusText, headers });
    } catch (fault) {
      // Only a fault of ours before the provider was asked gives the request back.
      if (trace.reply === undefined) trace.hold?.release();
      return turnAway(step.unexpected(fault, arrival));
    }
  };
}
