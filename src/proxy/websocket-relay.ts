import type { Outcome } from "../usage/record.ts";
import { type ClientSocket, messageBytesMax, type Session } from "./client-socket.ts";
import { type Refusal, type RefusalCode, wordings } from "./refuse.ts";
import type { End } from "./relay.ts";
import { createValve } from "./valve.ts";

/** An open WebSocket to a provider. */
export interface Dialled {
  readonly socket: WebSocket;
  /** What it has told since it opened; its handlers collect it until the relay takes their place. */
  readonly early: readonly (MessageEvent | CloseEvent)[];
}

export interface SocketRelayDeps {
  /** Whether the token may still do this; a reason ends the session. Never rejects. */
  readonly recheck: () => Promise<Refusal | undefined>;
  /** Sees what the provider sends. */
  readonly onMessage: (message: string | Buffer) => void;
  /** Called exactly once. */
  readonly onEnd: (end: End) => void;
}

/** A token that ends must end its sessions within a second (contract 3.4). */
const recheckEveryMs = 500;
/** How long a side may take nothing at all while messages wait for it. */
const stalledMsMax = 60_000;
/** How long a side may take to answer a close frame: after messages that wait for it, and where it is thrown out. */
const closeMsMax = 10_000;
const cutMsMax = 500;

/**
 * Hands messages on both ways, unchanged and in order, at the pace of the slower side; a close on one side closes the
 * other with the same code. From the end on, what still comes is let fall.
 */
export function relaySockets(client: ClientSocket, provider: Dialled, deps: SocketRelayDeps): Session {
  const { socket } = provider;
  let requestBytes = 0;
  let bytes = 0;
  let isOver = false;
  const toClient = createValve({
    source: socket,
    waiting: () => client.getBufferedAmount(),
    stalledMsMax,
    onStalled: () => cut(1013, "the client does not read", { outcome: "client_cancelled" }),
  });
  const toProvider = createValve({
    source: client,
    waiting: () => socket.bufferedAmount,
    stalledMsMax,
    onStalled: () => cut(1013, "the provider does not read", { outcome: "upstream_timeout" }),
  });
  const rechecks = startRechecks(deps.recheck, (refusal) => {
    const code = wordings[refusal.code].status >= 500 ? 1011 : 1008;
    cut(code, refusal.code, { outcome: "refused", errorCode: refusal.code });
  });

  /** False where it has ended before. */
  function end(how: { readonly outcome: Outcome; readonly errorCode?: RefusalCode }): boolean {
    if (isOver) return false;
    isOver = true;
    clearInterval(rechecks);
    toClient.release();
    toProvider.release();
    socket.onmessage = null;
    socket.onclose = null;
    deps.onEnd({ ...how, bytes, requestBytes });
    return true;
  }

  function cut(code: number, reason: string, how: Parameters<typeof end>[0]): void {
    if (!end(how)) return;
    closeWithin(client, { code, reason, ms: cutMsMax });
    closeWithin(socket, { code, reason, ms: cutMsMax });
  }

  function fromProvider(event: MessageEvent | CloseEvent): void {
    if (isOver) return;
    if (event.type === "close") {
      const { code, reason } = event as CloseEvent;
      if (end({ outcome: outcomeOf(code) }))
        closeWithin(client, { ...sendable(code, reason, 1011), ms: closeMsMax });
      return;
    }
    const { data } = event as MessageEvent<string | Buffer>;
    const length = Buffer.byteLength(data);
    if (length > messageBytesMax) {
      cut(1009, "the provider's message is too big", { outcome: "upstream_error" });
      return;
    }
    bytes += length;
    deps.onMessage(data);
    client.send(data);
    toClient.check();
  }

  socket.onmessage = fromProvider;
  socket.onclose = fromProvider;
  for (const event of provider.early) fromProvider(event);

  return {
    message(message) {
      if (isOver) return;
      requestBytes += Buffer.byteLength(message);
      socket.send(message);
      toProvider.check();
    },
    ping(payload) {
      if (!isOver) socket.ping(Buffer.from(payload));
    },
    closed(code, reason) {
      if (!end({ outcome: code === 1006 ? "client_cancelled" : "complete" })) return;
      const isTooBig = code === 1006 && reason === "Received too big message";
      closeWithin(socket, { ...sendable(isTooBig ? 1009 : code, reason, 1001), ms: closeMsMax });
    },
    stop: () => cut(1001, "the proxy stops", { outcome: "refused" }),
  };
}

function startRechecks(recheck: SocketRelayDeps["recheck"], onRefused: (refusal: Refusal) => void): Timer {
  let isLooking = false;
  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    const refusal = await recheck();
    isLooking = false;
    if (refusal !== undefined) onRefused(refusal);
  };
  return setInterval(() => void look(), recheckEveryMs);
}

function outcomeOf(code: number): Outcome {
  if (code === 1006) return "upstream_cut";
  return code >= 1011 && code <= 1014 ? "upstream_error" : "complete";
}

/** Codes that only tell how a connection ended may not stand in a close frame (RFC 6455, 7.4.1). */
function sendable(code: number, reason: string, otherwise: number): { code: number; reason: string } {
  if (code === 1005) return { code: 1000, reason: "" };
  const isSendable =
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1006) || (code >= 3000 && code <= 4999);
  return isSendable ? { code, reason } : { code: otherwise, reason: "" };
}

/** Closes, and cuts the connection of one that does not answer. */
function closeWithin(
  socket: Pick<ClientSocket, "close" | "terminate">,
  how: { readonly code: number; readonly reason: string; readonly ms: number },
): void {
  socket.close(how.code, how.reason);
  setTimeout(() => socket.terminate(), how.ms).unref();
}
