/** The client's end of a WebSocket, as the listener gives it. */
export interface ClientSocket {
  send(message: string | Uint8Array): unknown;
  close(code: number, reason: string): void;
  /** Cuts the connection, without a close frame. */
  terminate(): void;
  /** Bytes that have been sent but that the connection has not taken yet. */
  getBufferedAmount(): number;
  /** Reads no more until `resume`. */
  pause(): void;
  resume(): void;
}

/** What becomes of an open client socket; the listener tells it all that happens there. */
export interface Session {
  message(message: string | Uint8Array): void;
  ping(payload: Uint8Array): void;
  /** The client has closed with this code (RFC 6455, 7.4), or 1006: it has gone. */
  closed(code: number, reason: string): void;
  /** The server stops. */
  stop(): void;
}

/** Makes a WebSocket of the request and starts its session; false where the client has gone or its handshake is wrong. */
export type Upgrade = (start: (client: ClientSocket) => Session, headers: Headers) => boolean;

/** Longest message either way, in bytes; a longer one ends the session with 1009. */
export const messageBytesMax = 16 * 1024 * 1024;
