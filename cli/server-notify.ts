import { dlopen, FFIType, ptr } from "bun:ffi";

/** Tells the service manager where the server is in its life: sd_notify(3), for systemd units of `Type=notify`. */
export interface ServiceManager {
  /** Never throws and never waits for an answer. */
  tell(state: "READY=1" | "STOPPING=1"): void;
}

// From <sys/socket.h> of Linux, the same on x64 and arm64.
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const MSG_NOSIGNAL = 0x4000;
/** sizeof(sun_path), with the zero byte that ends a path. */
const socketPathBytesMax = 108;

/**
 * A service manager that listens at `socketPath` (NOTIFY_SOCKET), a path or `@` and an abstract name.
 * Undefined or empty: nobody to tell. What goes wrong is told to `warn` once, since serving matters more.
 */
export function createServiceManager(
  socketPath: string | undefined,
  warn: (message: string) => void,
): ServiceManager {
  let silent = socketPath === undefined || socketPath === "";
  return {
    tell(state) {
      if (silent || socketPath === undefined) return;
      try {
        send(socketPath, state);
      } catch (fault) {
        silent = true;
        const reason = fault instanceof Error ? fault.message : String(fault);
        warn(`Could not tell the service manager at NOTIFY_SOCKET: ${reason}`);
      }
    },
  };
}

/** The runtime has no datagram sockets of this family, so libc is asked: three calls, at start and at stop. */
function send(socketPath: string, state: string): void {
  if (process.platform !== "linux") throw new Error("NOTIFY_SOCKET is known on Linux only");
  const address = socketAddress(socketPath);
  const message = Buffer.from(state);
  const libc = dlopen("libc.so.6", {
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    sendto: {
      args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.ptr, FFIType.u32],
      returns: FFIType.i64,
    },
    close: { args: [FFIType.i32], returns: FFIType.i32 },
  });
  try {
    const socket = libc.symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    if (socket < 0) throw new Error("no socket to be had");
    const sent = libc.symbols.sendto(
      socket,
      ptr(message),
      message.length,
      MSG_NOSIGNAL,
      ptr(address),
      address.length,
    );
    libc.symbols.close(socket);
    if (Number(sent) !== message.length) throw new Error("nobody listens there");
  } finally {
    libc.close();
  }
}

/** struct sockaddr_un: the family in two bytes of the machine (little-endian here), then the path. */
function socketAddress(socketPath: string): Uint8Array {
  const isAbstract = socketPath.startsWith("@");
  const path = Buffer.from(isAbstract ? `\0${socketPath.slice(1)}` : `${socketPath}\0`);
  if (path.length > socketPathBytesMax) throw new Error("its path is too long");
  return Buffer.concat([Uint8Array.of(AF_UNIX, 0), path]);
}
