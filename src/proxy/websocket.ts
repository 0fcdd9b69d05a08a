import type { KeyCache, OpenKey } from "../cache/key-cache.ts";
import type { Clock } from "../clock.ts";
import { joinPath } from "../project/policy.ts";
import type { Provider } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import { firstLimit, isConnectFault, isLimited, startTimes } from "./attempt.ts";
import type { Breaker, Health } from "./breaker.ts";
import type { Call, Hold, Permit, Reply } from "./call.ts";
import type { Upgrade } from "./client-socket.ts";
import { createDeadline } from "./deadline.ts";
import { upstreamHeaders, upstreamQuery } from "./headers.ts";
import type { KeyPool } from "./key-pool.ts";
import type { Refusal } from "./refuse.ts";
import { chosenFor, offerFor } from "./subprotocols.ts";
import { type Dialled, relaySockets, type SocketRelayDeps } from "./websocket-relay.ts";

interface OpenSocketDeps {
  readonly keys: KeyCache;
  readonly pool: KeyPool;
  readonly breaker: Breaker;
  readonly enableStreaming: boolean;
  readonly clock: Clock;
  readonly version: string;
  /** Told why a provider could not be reached; the text may come from outside. */
  readonly onFault: (provider: string, requestId: string, error: unknown) => void;
}

const uncheckable = "the parameters of this provider are checked, and those in messages cannot be";

/** A provider's WebSocket that waits for the client's. */
export interface OpenSocket {
  /** With the status 101; the headers and the body of an answer to an upgrade are the runtime's. */
  readonly reply: Reply;
  /** Makes a WebSocket of the client's request and relays; false where the client has gone. */
  join(upgrade: Upgrade, headers: Headers, relayDeps: SocketRelayDeps): boolean;
}

/** Step 5 for a WebSocket: opens the provider's first, so that a refusal there is still an HTTP answer here. */
export function createOpenSocket(deps: OpenSocketDeps) {
  return async (call: Call, permit: Permit, hold: Hold): Promise<Result<OpenSocket, Refusal>> => {
    const { provider, grant } = permit;
    const refuse = async (refusal: Refusal) => {
      await hold.release();
      return fail(refusal);
    };
    const ring = permit.ring ?? (await deps.keys.find(grant.project.id, provider.name));
    const seeker = { body: { kind: "none" }, tokenId: grant.token.id, tried: new Set<string>() } as const;
    const key = deps.pool.choose(ring, seeker);
    const refusal = check(call, provider, key !== undefined);
    if (refusal !== undefined) return refuse(refusal);
    const leave = deps.breaker.ask(provider.origin);
    if (!leave.ok) return refuse({ code: "circuit_open", retryAfterMs: leave.error });

    const times = startTimes(deps.clock, call);
    const deadline = createDeadline(call.request.signal, isLimited(provider));
    deadline.arm(firstLimit(provider, provider.timeouts.requestMs));
    const dialled = await dial(target(call, permit, key), deadline.signal);
    const hasExpired = deadline.hasExpired();
    deadline.arm(0);
    const wasLeft = call.request.signal.aborted && !hasExpired;
    leave.value.tell(healthOf(dialled, wasLeft));
    if (dialled.ok) {
      const upstream = new Response(null, { status: 101 });
      const facts = { keyId: key?.id ?? "", deadline, requestLeftMs: 0, retries: 0 };
      const reply = { ...times(), ...facts, provider, isFallback: false, upstream };
      return ok({ reply, join: (...how) => join(call, dialled.value, how) });
    }
    if (hasExpired) return fail({ code: "timeout" });
    if (wasLeft) return fail({ code: "client_cancelled" });
    deps.onFault(provider.name, call.requestId, withoutUrl(dialled.error));
    if (isConnectFault(dialled.error)) await hold.release();
    return fail({ code: "bad_gateway" });
  };

  function target(call: Call, { provider, path }: Permit, key: OpenKey | undefined): Target {
    const offer = offerFor(call.request.headers, provider, key);
    const headers = upstreamHeaders(call, provider, key, deps.version);
    if (offer.hasKey) headers.delete("authorization");
    return {
      url:
        provider.origin.replace(/^http/, "ws") +
        joinPath(provider.basePath, path) +
        upstreamQuery(call.query, provider, key),
      options: {
        headers,
        protocols: [...offer.protocols],
        perMessageDeflate: false,
        ...(provider.tls && { tls: provider.tls }),
      },
    };
  }

  function check({ request }: Call, provider: Provider, hasKey: boolean): Refusal | undefined {
    if (!deps.enableStreaming) return { code: "streaming_disabled" };
    if (!isHandshake(request.headers))
      return { code: "upgrade_refused", detail: "the handshake is not one of RFC 6455" };
    if (provider.paramWhitelist.size > 0) return { code: "upgrade_refused", detail: uncheckable };
    return hasKey || provider.auth.scheme === "none" ? undefined : { code: "upstream_auth_error" };
  }
}

interface Target {
  readonly url: string;
  readonly options: Bun.WebSocketOptions;
}

function join(
  { request }: Call,
  dialled: Dialled,
  [upgrade, headers, relayDeps]: Parameters<OpenSocket["join"]>,
): boolean {
  const chosen = chosenFor(request.headers, dialled.socket.protocol);
  if (chosen !== undefined) headers.set("sec-websocket-protocol", chosen);
  if (upgrade((client) => relaySockets(client, dialled, relayDeps), headers)) return true;
  dialled.socket.terminate();
  return false;
}

/** The runtime tells the status of a refused handshake in its message only. */
function healthOf(dialled: Result<Dialled, unknown>, wasLeft: boolean): Health {
  if (dialled.ok) return "good";
  if (wasLeft) return "unknown";
  const status = /status code: (\d{3})$/.exec(withoutUrl(dialled.error))?.[1];
  return status === undefined || /^50[234]$/.test(status) ? "bad" : "good";
}

function isHandshake(headers: Headers): boolean {
  return (
    /\bupgrade\b/i.test(headers.get("connection") ?? "") &&
    headers.get("sec-websocket-version") === "13" &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers.get("sec-websocket-key") ?? "")
  );
}

function dial({ url, options }: Target, signal: AbortSignal): Promise<Result<Dialled, unknown>> {
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
  socket.onerror = (event) => resolve(fail((event as ErrorEvent).error));
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
function withoutUrl(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^.*' failed: /, "") : "the WebSocket did not open";
}
