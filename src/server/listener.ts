import http from "node:http";
import { fail, ok, type Result } from "../result.ts";
import type { Server, Surface } from "./server.ts";
import { createSockets, type SocketData, type Sockets } from "./sockets.ts";

/** Why an address cannot be listened on. */
export interface ListenFault {
  readonly code: "address_in_use" | "address_unavailable" | "permission_denied";
  /** A sentence that names the address and says what to do. */
  readonly message: string;
}

/** Where to listen. An empty host name is every address of the machine; port 0 is a free one. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface Listener {
  readonly port: number;
  /**
   * Accepts no more connections, closes those that are idle and the WebSockets, and lets requests and streams under
   * way end, for `timeoutMs` at the most; then cuts them. 0 cuts at once, also while an earlier call waits.
   */
  stop(timeoutMs: number): Promise<"ended" | "cut">;
  /**
   * From now on connections get this certificate. The runtime cannot change that of an open socket, so it is closed and
   * opened again: requests, streams and WebSockets under way go on, connections that are idle are closed. Should it
   * not open again, nothing listens until a later call succeeds.
   */
  renew(tls: ServerTls): Result<void, ListenFault>;
}

/** What a listener shows to those who connect by TLS. */
export interface ServerTls {
  /** PEM of the certificate and of those between it and its root. */
  readonly cert: string;
  /** PEM of its private key. */
  readonly key: string;
  readonly minVersion: "1.2" | "1.3";
}

interface ListenerDeps {
  readonly address: ListenAddress;
  readonly surface: Surface;
  readonly handle: Server["handle"];
  /** How long a connection may be without a request, or with half of a head; 0 is for ever, 240 the most. */
  readonly idleTimeoutS: number;
  /** Told of what the handler failed to catch. */
  readonly onFault: (fault: unknown) => void;
  /** None: plain HTTP. */
  readonly tls?: ServerTls | undefined;
}

type BunServer = Bun.Server<SocketData>;

/** Request line and headers together; the runtime's own 16 KiB are too few for traces, tokens and lists of betas. */
const headBytesMax = 64 * 1024;

/**
 * Opens a socket. It bounds idle connections and half heads, which no handler hears of, and nothing that is under way:
 * an answer may be silent for long, and what bounds a body is `upload.ts`.
 */
export function listen(deps: ListenerDeps): Result<Listener, ListenFault> {
  Object.assign(http, { maxHeaderSize: headBytesMax }); // holds for servers that are opened from here on
  const sockets = createSockets();
  const first = open(deps, sockets);
  if (!first.ok) return first;
  let server = first.value;
  const port = server.port ?? deps.address.port;
  const retired = new Set<BunServer>();
  return ok({
    port,
    stop: (timeoutMs) => stop([server, ...retired], sockets, timeoutMs),
    renew(tls) {
      const old = server;
      retired.add(old);
      void old.stop().then(() => retired.delete(old));
      const next = open({ ...deps, tls, address: { ...deps.address, port } }, sockets);
      if (!next.ok) return next;
      server = next.value;
      return ok(undefined);
    },
  });
}

function open(
  { address, surface, handle, idleTimeoutS, onFault, tls }: ListenerDeps,
  sockets: Sockets,
): Result<BunServer, ListenFault> {
  const { hostname, port } = address;
  try {
    const server = Bun.serve({
      ...(hostname !== "" && { hostname }),
      port,
      ...(tls && { tls: tlsOptions(tls) }),
      idleTimeout: idleTimeoutS,
      reusePort: false, // else a second server takes half of the connections
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      fetch(request, bun) {
        bun.timeout(request, 0); // from here until it rests, silence is no fault
        const address = bun.requestIP(request)?.address ?? "";
        const rest = () => bun.timeout(request, idleTimeoutS);
        return handle(request, { address, surface, upgrade: sockets.upgrade(request, bun), rest });
      },
      websocket: sockets.handler,
      error(fault) {
        onFault(fault);
        return new Response(null, { status: 500 });
      },
    });
    return ok(server);
  } catch (error) {
    const fault = nameFault(error, `${hostname || "*"}:${port}`);
    if (fault === undefined) throw error;
    return fail(fault);
  }
}

/** As the runtime wants them: a version as the number that TLS itself has for it. */
function tlsOptions({ cert, key, minVersion }: ServerTls): Bun.TLSOptions {
  const version = minVersion === "1.3" ? 0x0304 : 0x0303;
  return { cert, key, minVersion: version } as Bun.TLSOptions;
}

async function stop(
  servers: readonly BunServer[],
  sockets: Sockets,
  timeoutMs: number,
): Promise<"ended" | "cut"> {
  sockets.stop();
  const ended = Promise.all(servers.map((server) => server.stop())).then(() => "ended" as const);
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(late.resolve, timeoutMs, "late");
  const first = timeoutMs === 0 ? "late" : await Promise.race([ended, late.promise]);
  clearTimeout(timer);
  if (first === "ended") return first;
  await Promise.all(servers.map((server) => server.stop(true)));
  return "cut";
}

function nameFault(error: unknown, address: string): ListenFault | undefined {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return {
        code: "address_in_use",
        message: `The address ${address} is in use; stop the program that listens there, or set LISTEN_ADDR`,
      };
    case "EADDRNOTAVAIL":
      return {
        code: "address_unavailable",
        message: `The address ${address} is none of this machine's; set LISTEN_ADDR to one that is`,
      };
    case "EACCES":
      return {
        code: "permission_denied",
        message: `The address ${address} may not be listened on by this user; use a port of 1024 or more`,
      };
    default:
      return undefined;
  }
}
