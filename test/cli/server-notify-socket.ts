import { dlopen, FFIType, ptr } from "bun:ffi";

/** A datagram socket of AF_UNIX: what systemd listens on. Linux only. */
export interface NotifySocket extends Disposable {
  /** The oldest message that has come; undefined if there is none. */
  receive(): string | undefined;
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const MSG_DONTWAIT = 0x40;

/** Binds one to a path, or to `@` and an abstract name. @throws {Error} if the name is taken */
export function bindNotifySocket(name: string): NotifySocket {
  const libc = dlopen("libc.so.6", {
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    bind: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
    recv: { args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i64 },
    close: { args: [FFIType.i32], returns: FFIType.i32 },
  });
  const socket = libc.symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  const path = name.startsWith("@") ? `\0${name.slice(1)}` : `${name}\0`;
  const address = Buffer.concat([Uint8Array.of(AF_UNIX, 0), Buffer.from(path)]);
  if (libc.symbols.bind(socket, ptr(address), address.length) !== 0) throw new Error(`cannot bind ${name}`);
  return {
    receive() {
      const room = Buffer.alloc(256);
      const bytes = Number(libc.symbols.recv(socket, ptr(room), room.length, MSG_DONTWAIT));
      return bytes < 0 ? undefined : room.subarray(0, bytes).toString();
    },
    [Symbol.dispose]: () => {
      libc.symbols.close(socket);
      libc.close();
    },
  };
}
