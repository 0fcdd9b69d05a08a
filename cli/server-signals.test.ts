import { describe, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import type { App, StartFault } from "../src/app.ts";
import { fail, ok, type Result } from "../src/result.ts";
import { CommandError } from "./output.ts";
import { serveUntilStopped } from "./server-signals.ts";

interface Given {
  readonly served?: StartFault;
  /** Ends the stop; else it ends at once. */
  readonly drained?: Promise<void>;
}

/** An app that only writes down what is asked of it. */
function scriptedApp(given: Given = {}) {
  const log: string[] = [];
  const app: App = {
    manage: () => Promise.reject(new Error("not asked for here")),
    serve() {
      log.push("serve");
      if (given.served !== undefined) return fail(given.served);
      return ok({
        url: "http://127.0.0.1:1",
        managementUrl: "http://127.0.0.1:1",
        async stop() {
          log.push("stop");
          await given.drained;
        },
        reload: () => void log.push("reopen"),
      });
    },
    strayError: (error) => void log.push(`stray ${(error as Error).message}`),
    close: async () => void log.push("close"),
  };
  const events = new EventEmitter();
  const milestones = {
    onServing: () => void log.push("serving"),
    onStopping: () => void log.push("stopping"),
    onStopped: () => void log.push("stopped"),
  };
  const run = (start: () => Promise<Result<App, StartFault>> = async () => ok(app)) =>
    serveUntilStopped(start, events, milestones);
  return { log, app, events, milestones, run };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a server", () => {
  test.each(["SIGTERM", "SIGINT"])(
    "stops gracefully on %s and listens to no signal afterwards",
    async (signal) => {
      const { log, events, run } = scriptedApp();
      const running = run();
      await turn();
      expect(log).toEqual(["serve", "serving"]);
      events.emit(signal);
      await running;
      expect(log).toEqual(["serve", "serving", "stopping", "stop", "stopped"]);
      expect(events.eventNames()).toEqual([]);
    },
  );

  test("cuts what still runs on a second signal (OPS-102)", async () => {
    const drained = Promise.withResolvers<void>();
    const { log, events, run } = scriptedApp({ drained: drained.promise });
    const running = run();
    await turn();
    events.emit("SIGTERM");
    await turn();
    expect(log.filter((entry) => entry === "stop")).toHaveLength(1);
    events.emit("SIGTERM");
    expect(log.filter((entry) => entry === "stop")).toHaveLength(2);
    drained.resolve();
    await running;
    expect(log.at(-1)).toBe("stopped");
  });

  test("opens its log file anew on SIGHUP and serves on (CFG-105)", async () => {
    const { log, events, run } = scriptedApp();
    const running = run();
    events.emit("SIGHUP");
    await turn();
    events.emit("SIGHUP");
    events.emit("SIGHUP");
    expect(log).toEqual(["serve", "serving", "reopen", "reopen"]);
    events.emit("SIGTERM");
    await running;
  });

  test("survives errors that nobody caught, and tells the app", async () => {
    const { log, events, run } = scriptedApp();
    const running = run();
    await turn();
    events.emit("unhandledRejection", new Error("one"));
    events.emit("uncaughtException", new Error("two"));
    expect(log.slice(2)).toEqual(["stray one", "stray two"]);
    events.emit("SIGTERM");
    await running;
  });

  test("that is told to stop while it starts opens no port", async () => {
    const { log, app, events, run } = scriptedApp();
    const started = Promise.withResolvers<void>();
    const running = run(async () => {
      await started.promise;
      return ok(app);
    });
    events.emit("SIGTERM");
    started.resolve();
    await running;
    expect(log).toEqual(["close"]);
  });

  test("whose port is taken closes what it opened and says so", async () => {
    const fault = { code: "address_in_use", message: "127.0.0.1:1 is in use" };
    const { log, events, run } = scriptedApp({ served: fault });
    await expect(run()).rejects.toThrow(new CommandError("address_in_use: 127.0.0.1:1 is in use"));
    await turn();
    expect(log).toEqual(["serve", "close"]);
    expect(events.eventNames()).toEqual([]);
  });

  test("whose start is refused says why", async () => {
    const { log, run } = scriptedApp();
    await expect(run(async () => fail({ code: "schema_newer", message: "no" }))).rejects.toThrow(
      "schema_newer: no",
    );
    await turn();
    expect(log).toEqual([]);
  });

  test("that cannot write its pid file stops again", async () => {
    const { log, app, events, milestones } = scriptedApp();
    const failing = {
      ...milestones,
      onServing() {
        throw new Error("no room");
      },
    };
    await expect(serveUntilStopped(async () => ok(app), events, failing)).rejects.toThrow("no room");
    await turn();
    expect(log).toEqual(["serve", "stop", "stopped"]);
  });
});
