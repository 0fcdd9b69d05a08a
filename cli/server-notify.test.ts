import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { bindNotifySocket } from "../test/cli/server-notify-socket.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { createServiceManager } from "./server-notify.ts";

describe.if(process.platform === "linux")("the service manager", () => {
  test("is told READY and STOPPING on the socket that NOTIFY_SOCKET names", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "notify");
    using socket = bindNotifySocket(path);
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
    using socket = bindNotifySocket(name);
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
