import type { KeyCache, OpenKey } from "../cache/key-cache.ts";
import type { Provider } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import { type Attempt, firstLimit } from "./attempt.ts";
import type { Body, Call, Hold, Permit, Reply } from "./call.ts";
import type { Upgrade } from "./client-socket.ts";
import { locateUntil, type Target } from "./egress.ts";
import { EgressFault } from "./egress-fault.ts";
import { upstreamHeaders, upstreamQuery } from "./headers.ts";
import { createTravel, endsOf, type Journey, type LegDeps } from "./leg.ts";
import type { Refusal } from "./refuse.ts";
import { chosenFor, offerFor } from "./subprotocols.ts";
import { upstreamPath } from "./upstream-url.ts";
import { type Dialled, relaySockets, type SocketRelayDeps } from "./websocket-relay.ts";

interface OpenSocketDeps extends LegDeps {
  readonly keys: KeyCache;
  readonly enableStreaming: boolean;
}

const none: Body = { kind: "none" };
const uncheckable = "the parameters of this provider are checked, and those in messages cannot be";

/** A provider's WebSocket that waits for the client's. */
export interface OpenSocket {
  /** With the status 101; the headers and the body of an answer to an upgrade are the runtime's. */
  readonly reply: Reply;
  /** Makes a WebSocket of the client's request and relays; false where the client has gone. */
  join(upgrade: Upgrade, headers: Headers, relayDeps: SocketRelayDeps): boolean;
}

/**
 * Step 5 for a WebSocket: opens the provider's first, so that a refusal there is still an HTTP answer here. Keys, circuit,
 * limits and attempts are those of every request; a fallback is not asked, as a session is bound to its provider.
 */
export function createOpenSocket(deps: OpenSocketDeps) {
  const travel = createTravel(deps);

  return async (call: Call, permit: Permit, hold: Hold): Promise<Result<OpenSocket, Refusal>> => {
    const { provider, grant } = permit;
    const refuse = (refusal: Refusal) => {
      hold.release();
      return fail(refusal);
    };
    const ring = permit.ring ?? (await deps.keys.find(grant.project.id, provider.name));
    const refusal = check(call, provider, ring.keys.length > 0);
    if (refusal !== undefined) return refuse(refusal);

    let opened: Dialled | undefined;
    const send = async (attempt: Attempt): Promise<Result<Response, unknown>> => {
      attempt.deadline.arm(firstLimit(provider, attempt.limitMs));
      const dialled = await connect(attempt);
      if (dialled.ok) opened = dialled.value;
      return asAnswer(dialled);
    };
    const start = { ...endsOf(provider.timeouts, deps.clock), attempts: 0, wasReached: false };
    const journey: Journey = { call, permit, body: none, send, ...start };
    const { result } = await travel(journey, { ...permit, ring });
    if (!result.ok) return journey.wasReached ? result : refuse(result.error);
    const reply = result.value;
    reply.deadline.stop();
    if (opened !== undefined) return ok({ reply, join: joinWith(call, opened) });
    const { status } = reply.upstream;
    deps.onFault(provider.name, call.requestId, `the handshake of the WebSocket was refused with ${status}`);
    return fail({ code: "bad_gateway" });
  };

  /** No outbound proxy carries a WebSocket, so the address is always found here. */
  async function connect({ call, permit, key, deadline }: Attempt): Promise<Result<Dialled, unknown>> {
    const { provider } = permit;
    const { signal } = deadline;
    const found = await locateUntil(signal, deps.egress.locate(provider, false));
    if (!found.ok) return found;
    const handshake = handshakeFor(call, permit, key, found.value);
    if (!handshake.ok) return handshake;
    const dialled = await dial(handshake.value, signal);
    if (!dialled.ok) deps.egress.lost(provider, found.value);
    return dialled;
  }

  function handshakeFor(
    call: Call,
    { provider, path }: Permit,
    key: OpenKey | undefined,
    target: Target,
  ): Result<Handshake, EgressFault> {
    const below = upstreamPath(provider, path, upstreamQuery(call.query, provider, key));
    if (below === undefined) return fail(new EgressFault("outside_base", "the path leads out of base_url"));
    const offer = offerFor(call.request.headers, provider, key);
    const headers = upstreamHeaders(call, provider, key, deps.version);
    if (offer.hasKey) headers.delete("authorization");
    if (target.host !== undefined) headers.set("host", target.host);
    return ok({
      url: target.origin.replace(/^http/, "ws") + below,
      options: {
        headers,
        protocols: [...offer.protocols],
        perMessageDeflate: false,
        ...(target.tls && { tls: target.tls }),
      },
    });
  }

  function check({ request }: Call, provider: Provider, hasKey: boolean): Refusal | undefined {
    if (!deps.enableStreaming) return { code: "streaming_disabled" };
    if (!isHandshake(request.headers))
      return { code: "upgrade_refused", detail: "the handshake is not one of RFC 6455" };
    if (provider.paramWhitelist.size > 0) return { code: "upgrade_refused", detail: uncheckable };
    return hasKey || provider.auth.scheme === "none" ? undefined : { code: "upstream_auth_error" };
  }
}

interface Handshake {
  readonly url: string;
  readonly options: Bun.WebSocketOptions;
}

function joinWith({ request }: Call, dialled: Dialled): OpenSocket["join"] {
  return (upgrade, headers, relayDeps) => {
    const chosen = chosenFor(request.headers, dialled.socket.protocol);
    if (chosen !== undefined) headers.set("sec-websocket-protocol", chosen);
    if (upgrade((client) => relaySockets(client, dialled, relayDeps), headers)) return true;
    dialled.socket.terminate();
    return false;
  };
}

/** What a handshake brought, as the answer that it was. The runtime tells the status of a refusal in its message only. */
function asAnswer(dialled: Result<Dialled, unknown>): Result<Response, unknown> {
  if (dialled.ok) return ok(new Response(null, { status: 101 }));
  const status = /status code: ([2-5]\d\d)$/.exec(String(dialled.error))?.[1];
  return status === undefined ? dialled : ok(new Response(null, { status: Number(status) }));
}

function isHandshake(headers: Headers): boolean {
  return (
    /\bupgrade\b/i.test(headers.get("connection") ?? "") &&
    headers.get("sec-websocket-version") === "13" &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers.get("sec-websocket-key") ?? "")
  );
}

function dial({ url, options }: Handshake, signal: AbortSignal): Promise<Result<Dialled, unknown>> {
  const { promise, resolve } = Promise.withResolvers<Result<Dialled, unknown>>();
  const socket = new WebSocket(url, options);
  const early: (MessageEvent | CloseEvent)[] = [];
  const giveUp = () => {
    resolve(fail(undefined));
    socket.terminate();
  };
  socket.binaryType = "nodebuffer";
  socket.onmessage = (event) => early.push(event);
  socket.onclose = (event) => early.push(event);
  socket.onerror = (event) => resolve(fail(withoutUrl((event as ErrorEvent).error)));
  socket.onopen = () => resolve(ok({ socket, early }));
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  return promise.finally(() => {
    signal.removeEventListener("abort", giveUp);
    socket.onopen = null;
    socket.onerror = null;
  });
}

/** The runtime's message begins with the URL, in which a key may stand. */
function withoutUrl(error: unknown): unknown {
  if (!(error instanceof Error)) return new Error("the WebSocket did not open");
  const { code } = error as { readonly code?: unknown };
  return Object.assign(new Error(error.message.replace(/^.*' failed: /, "")), { code });
}
