import { describe, expect, test } from "bun:test";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { type MockFlags, readMockOptions, runMock } from "./mock.ts";
import { CommandError, UsageError } from "./output.ts";

function flags(more: Partial<MockFlags> = {}): MockFlags {
  return { addr: "127.0.0.1:0", quiet: false, ...more };
}

function urlIn(text: string): string {
  return /listens on (http:\S+)/.exec(text)?.[1] ?? "";
}

describe("llm-proxy mock", () => {
  test("serves, says where and how to point the proxy at it, and stops when told", async () => {
    const io = recordedIo();
    const stop = new AbortController();
    const ended = runMock(readMockOptions(flags({ pace: "0" })), io, stop.signal);
    const url = urlIn(io.out());
    expect(io.out()).toContain(`base_url: "${url}", auth: none`);
    expect(io.out()).toContain(`OPENAI_API_URL=${url} llm-proxy server`);
    expect((await fetch(`${url}/v1/models`)).status).toBe(200);
    expect(io.err()).toBe("GET /v1/models 200\n");
    stop.abort();
    await ended;
    expect(await fetch(`${url}/v1/models`).catch((error) => error)).toBeInstanceOf(Error);
  });

  test("its provider line is YAML", async () => {
    const io = recordedIo();
    await runMock(readMockOptions(flags({ key: "sk-made-up" })), io, AbortSignal.abort());
    const line =
      io
        .out()
        .split("\n")
        .find((text) => text.includes("apis:")) ?? "";
    expect(Bun.YAML.parse(line)).toMatchObject({
      apis: { mock: { base_url: urlIn(io.out()), auth: "bearer" } },
    });
    expect(io.out()).not.toContain("sk-made-up");
  });

  test("demands its key, and is quiet when told", async () => {
    const io = recordedIo();
    const stop = new AbortController();
    const ended = runMock(readMockOptions(flags({ key: "sk-made-up", quiet: true })), io, stop.signal);
    expect((await fetch(`${urlIn(io.out())}/v1/models`)).status).toBe(401);
    expect(io.err()).toBe("");
    stop.abort();
    await ended;
  });

  test("a stop does not wait for a running stream", async () => {
    const io = recordedIo();
    const stop = new AbortController();
    const ended = runMock(readMockOptions(flags()), io, stop.signal);
    const body = JSON.stringify({
      model: "mock-stall",
      stream: true,
      messages: [{ role: "user", content: "x" }],
    });
    const answer = await fetch(`${urlIn(io.out())}/v1/chat/completions`, { method: "POST", body });
    stop.abort();
    await ended;
    expect(await answer.text().catch((error) => error)).toBeInstanceOf(Error);
  });

  test("a port in use is a failure that says so", async () => {
    const taken = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const options = readMockOptions(flags({ addr: `127.0.0.1:${taken.port}` }));
    const failure = await runMock(options, recordedIo(), AbortSignal.abort()).catch((error) => error);
    await taken.stop(true);
    expect(failure).toBeInstanceOf(CommandError);
    expect(failure.message).toContain("the port is in use");
  });

  const wrong: readonly (readonly [Partial<MockFlags>, string])[] = [
    [{ addr: "9000" }, "--addr '9000'"],
    [{ pace: "fast" }, "--pace 'fast'"],
    [{ key: "" }, "--key is empty"],
  ];
  test.each(wrong)("%p are wrong usage", (given, words) => {
    expect(() => readMockOptions(flags(given))).toThrow(UsageError);
    expect(() => readMockOptions(flags(given))).toThrow(words);
  });
});
