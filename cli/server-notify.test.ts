import { dlopen, FFIType, ptr } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { createServiceManager } from "./server-notify.ts";

/** A datagram socket bound to a name of AF_UNIX: what systemd listens on. */
function bindDatagrams(name: string): { receive(): string | undefined } & Disposable {
  const libc = dlopen("libc.so.6", {
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    bind: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
    recv: { args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i64 },
    close: { args: [FFIType.i32], returns: FFIType.i32 },
  });
  const socket = libc.symbols.socket(1, 2, 0);
  const address = Buffer.concat([
    Buffer.from([1, 0]),
    Buffer.from(name.replace(/^@/, "\0")),
    Buffer.from(name.startsWith("@") ? "" : "\0"),
  ]);
  expect(libc.symbols.bind(socket, ptr(address), address.length)).toBe(0);
  return {
    receive() {
      const room = Buffer.alloc(256);
      const doNotWait = 0x40;
      const bytes = Number(libc.symbols.recv(socket, ptr(room), room.length, doNotWait));
      return bytes < 0 ? undefined : room.subarray(0, bytes).toString();
    },
    [Symbol.dispose]: () => {
      libc.symbols.close(socket);
      libc.close();
    },
  };
}

describe.if(process.platform === "linux")("the service manager", () => {
  test("is told READY and STOPPING on the socket that NOTIFY_SOCKET names", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "notify");
    using socket = bindDatagrams(path);
    const warnings: string[] = [];
    const manager = createServiceManager(path, (message) => warnings.push(message));
    manager.tell("READY=1");
    expect(socket.receive()).toBe("READY=1");
    manager.tell("STOPPING=1");
    expect(socket.receive()).toBe("STOPPING=1");
    expect(warnings).toEqual([]);
  });

  test("is reached by an abstract name as well", () => {
    const name = `@llm-proxy-${randomBytes(8).toString("hex")}`;
    using socket = bindDatagrams(name);
    createServiceManager(name, () => {}).tell("READY=1");
    expect(socket.receive()).toBe("READY=1");
  });

  test.each([
    ["nobody listens", "/nonexistent/notify"],
    ["the path is too long", `/${"x".repeat(200)}`],
  ])("is warned of once and then left alone when %s", (_, path) => {
    const warnings: string[] = [];
    const manager = createServiceManager(path, (message) => warnings.push(message));
    manager.tell("READY=1");
    manager.tell("STOPPING=1");
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("NOTIFY_SOCKET");
  });
});

test.each([undefined, ""])("without a NOTIFY_SOCKET (%p) nobody is told", (path) => {
  createServiceManager(path, () => expect.unreachable()).tell("READY=1");
});
