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
}

interface ListenerDeps {
  readonly address: ListenAddress;
  readonly surface: Surface;
  readonly handle: Server["handle"];
  /** Told of what the handler failed to catch. */
  readonly onFault: (fault: unknown) => void;
}

/** Opens a socket. The data plane bounds nothing here: it decides by policy, and streams may be silent for long. */
export function listen({ address, surface, handle, onFault }: ListenerDeps): Result<Listener, ListenFault> {
  const { hostname, port } = address;
  const sockets = createSockets();
  try {
    const server = Bun.serve({
      ...(hostname !== "" && { hostname }),
      port,
      idleTimeout: 0, // else 10 s of silence end a stream
      reusePort: false, // else a second server takes half of the connections
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      fetch: (request, bun) =>
        handle(request, bun.requestIP(request)?.address ?? "", surface, sockets.upgrade(request, bun)),
      websocket: sockets.handler,
      error(fault) {
        onFault(fault);
        return new Response(null, { status: 500 });
      },
    });
    return ok({ port: server.port ?? port, stop: (timeoutMs) => stop(server, sockets, timeoutMs) });
  } catch (error) {
    const fault = nameFault(error, `${hostname || "*"}:${port}`);
    if (fault === undefined) throw error;
    return fail(fault);
  }
}

async function stop(
  server: Bun.Server<SocketData>,
  sockets: Sockets,
  timeoutMs: number,
): Promise<"ended" | "cut"> {
  sockets.stop();
  const ended = server.stop().then(() => "ended" as const);
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(late.resolve, timeoutMs, "late");
  const first = timeoutMs === 0 ? "late" : await Promise.race([ended, late.promise]);
  clearTimeout(timer);
  if (first === "ended") return first;
  await server.stop(true);
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
