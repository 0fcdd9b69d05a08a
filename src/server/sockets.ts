import { type ClientSocket, messageBytesMax, type Session, type Upgrade } from "../proxy/client-socket.ts";

/** What the runtime keeps for a socket: how to start its session, then that; nothing once it has closed. */
export interface SocketData {
  start?: ((client: ClientSocket) => Session) | undefined;
  session?: Session | undefined;
}

/** The WebSockets of one listener. */
export interface Sockets {
  /** For `Bun.serve`. */
  readonly handler: Bun.WebSocketHandler<SocketData>;
  /** How to upgrade the request; undefined where it does not ask for that. */
  upgrade(request: Request, server: Bun.Server<SocketData>): Upgrade | undefined;
  /** Ends all sessions, and from now on each one as it opens. */
  stop(): void;
}

/** Brings what happens on the sockets to their sessions. */
export function createSockets(): Sockets {
  const open = new Set<Bun.ServerWebSocket<SocketData>>();
  let isStopping = false;
  return {
    handler: {
      maxPayloadLength: messageBytesMax,
      // The relay lets far less wait; should that fail, the session ends rather than that a message is dropped.
      backpressureLimit: 4 * messageBytesMax,
      closeOnBackpressureLimit: true,
      idleTimeout: 0, // a session may be silent for long
      sendPings: false,
      perMessageDeflate: false,
      open(socket) {
        open.add(socket);
        socket.data = { session: socket.data.start?.(socket) };
        if (isStopping) socket.data.session?.stop();
      },
      message: ({ data }, message) => data.session?.message(message),
      ping: ({ data }, payload) => data.session?.ping(payload),
      close(socket, code, reason) {
        open.delete(socket);
        const { session } = socket.data;
        socket.data = {};
        session?.closed(code, reason);
      },
    },
    upgrade(request, server) {
      const isAsked =
        request.method === "GET" && request.headers.get("upgrade")?.toLowerCase() === "websocket";
      if (!isAsked) return undefined;
      return (start, headers) => server.upgrade(request, { data: { start }, headers });
    },
    stop() {
      isStopping = true;
      for (const { data } of open) data.session?.stop();
    },
  };
}
