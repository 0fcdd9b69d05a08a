import { afterAll, describe, expect, test } from "bun:test";
import { PassThrough, Readable } from "node:stream";
import { createMock } from "../src/mock/mock.ts";
import { Secret } from "../src/secret.ts";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { type ChatOptions, runChat } from "./chat.ts";
import { CommandError, UsageError } from "./output.ts";

const TOKEN = "sk-wt-canary";
const mock = createMock({ apiKey: new Secret(TOKEN), paceMs: 1 });
const asked: Record<string, unknown>[] = [];
const scripted: Record<string, () => Response | Promise<Response>> = {
  "html-error": () => new Response("<html><body>nginx</body></html>", { status: 502 }),
  "html-page": () => new Response("<html>", { headers: { "content-type": "text/html" } }),
  "other-json": () => Response.json({ id: "x" }),
  redirect: () => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:9/stolen" } }),
  "own-refusal": () => Response.json({ error: "Token is revoked", code: "token_revoked" }, { status: 401 }),
  junk: () => new Response(endless("junk "), { status: 500 }),
  "slow-error": () => new Response(trickle(), { status: 500 }),
  "no-end": () => sse(['{"choices":[{"delta":{"content":"half"}}]}']),
  "error-event": () =>
    sse([
      '{"choices":[{"delta":{"content":"half"}}]}',
      '{"error":{"message":"Upstream died","code":"upstream_cut"}}',
    ]),
  "no-usage": () => sse(['{"choices":[{"delta":{"content":"a\\u001b[2Jb"},"finish_reason":"stop"}]}']),
};
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  development: false,
  async fetch(request) {
    const body = (await request.clone().json()) as Record<string, unknown>;
    asked.push(body);
    return scripted[String(body["model"])]?.() ?? mock.fetch(request);
  },
});
afterAll(() => server.stop(true));

function sse(events: readonly string[]): Response {
  const text = events.map((event) => `data: ${event}\n\n`).join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

/** One byte, then silence. */
function trickle(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
    pull: () => new Promise(() => {}),
  });
}

function endless(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(text.repeat(1000))),
  });
}

function typed(...lines: string[]): Readable {
  return Readable.from(lines.map((line) => `${line}\n`));
}

function options(more: Partial<ChatOptions> = {}): ChatOptions {
  return {
    proxyUrl: `http://127.0.0.1:${server.port}`,
    proxyToken: new Secret(TOKEN),
    model: "m",
    temperature: 0,
    maxTokens: 0,
    systemPrompt: "Be kind",
    useStreaming: true,
    verbose: false,
    ...more,
  };
}

/** The bodies that were asked with this model; tests run side by side, so each uses a model of its own. */
function askedOf(model: string): Record<string, unknown>[] {
  return asked.filter((body) => body["model"] === model);
}

describe("one message", () => {
  test("is answered on stdout, with tokens and time on stderr", async () => {
    const io = recordedIo();
    await runChat(options({ model: "one", message: "hello" }), io);
    expect(io.out()).toMatch(/^You said: "hello".*\n$/);
    expect(io.err()).toMatch(/^\[3 \+ \d+ tokens, \d+\.\d\d s\]\n$/);
    expect(askedOf("one")).toEqual([
      {
        model: "one",
        temperature: 0,
        messages: [
          { role: "system", content: "Be kind" },
          { role: "user", content: "hello" },
        ],
        stream: true,
        stream_options: { include_usage: true },
      },
    ]);
  });

  test("is the same without a stream, and max tokens are sent", async () => {
    const io = recordedIo();
    const given = { model: "whole", message: "hello", useStreaming: false, maxTokens: 5, systemPrompt: "" };
    await runChat(options(given), io);
    expect(io.out()).toHaveLength(21);
    expect(askedOf("whole")).toEqual([
      { model: "whole", temperature: 0, max_tokens: 5, messages: [{ role: "user", content: "hello" }] },
    ]);
  });

  test("comes from stdin for -", async () => {
    const io = recordedIo({ stdin: typed("first", "second") });
    await runChat(options({ model: "dash", message: "-" }), io);
    expect(askedOf("dash")[0]?.["messages"]).toContainEqual({ role: "user", content: "first\nsecond" });
  });

  test("an address that ends in /v1 is taken too", async () => {
    const io = recordedIo();
    await runChat(options({ proxyUrl: `http://127.0.0.1:${server.port}/v1`, message: "hello" }), io);
    expect(io.out()).toContain("hello");
  });

  test("an answer without usage says that tokens are unknown", async () => {
    const io = recordedIo();
    await runChat(options({ model: "no-usage", message: "hello" }), io);
    expect(io.err()).toContain("[tokens unknown, ");
  });

  test("a terminal gets no control characters, a pipe gets the text as it is", async () => {
    const terminal = recordedIo({ isTTY: true });
    const pipe = recordedIo();
    for (const io of [terminal, pipe]) await runChat(options({ model: "no-usage", message: "hello" }), io);
    expect(terminal.out()).toBe("a[2Jb\n");
    expect(pipe.out()).toBe("a\u001b[2Jb\n");
    expect(terminal.err()).toStartWith("\u001b[2m[");
  });

  test("NO_COLOR takes the dimming away", async () => {
    const io = recordedIo({ isTTY: true, environment: { NO_COLOR: "1" } });
    await runChat(options({ message: "hello" }), io);
    expect(io.err()).toStartWith("[");
  });

  test("--verbose tells the exchange on stderr without the credential", async () => {
    const io = recordedIo();
    await runChat(options({ message: "hello", verbose: true }), io);
    expect(io.err()).toContain('> {"model":"m"');
    expect(io.err()).toContain("< HTTP 200");
    expect(io.out() + io.err()).not.toContain(TOKEN);
  });
});

describe("a failure is one sentence with the server's message and code", () => {
  const table: readonly (readonly [string, string])[] = [
    ["mock-429", "The stand-in was asked to fail with status 429 [rate_limit_exceeded] (HTTP 429)"],
    ["own-refusal", "Token is revoked [token_revoked] (HTTP 401)"],
    ["html-error", "The server gave no reason (HTTP 502)"],
    ["redirect", "The server gave no reason (HTTP 302)"],
    ["junk", "The server gave no reason (HTTP 500)"],
    ["html-page", "The answer is no chat completion (HTTP 200, text/html): check the address of the proxy"],
    [
      "other-json",
      "The answer is no chat completion (HTTP 200, application/json;charset=utf-8): check the address of the proxy",
    ],
    ["no-end", "The answer ended before it was whole"],
    ["error-event", "The answer was cut off: Upstream died [upstream_cut]"],
  ];
  test.each(table)("CLI-105 %s", async (model, message) => {
    const io = recordedIo();
    const failure = await runChat(options({ model, message: "hello" }), io).catch((error) => error);
    expect(failure).toBeInstanceOf(CommandError);
    expect(failure.message).toBe(message);
  });

  test("a connection that is cut in mid-answer is told as such, after what came", async () => {
    const io = recordedIo();
    const failure = await runChat(options({ model: "mock-cut", message: "hello" }), io).catch(
      (error) => error,
    );
    expect(failure.message).toStartWith("The answer was cut off: ");
    expect(io.out()).toBe("You said:\n");
  });

  test("an error body that does not end is not waited for", async () => {
    const failure = await runChat(options({ model: "slow-error", message: "x" }), recordedIo()).catch(
      (e) => e,
    );
    expect(failure.message).toBe("The server gave no reason (HTTP 500)");
  });

  test("nobody listening is told with the address", async () => {
    const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const proxyUrl = `http://127.0.0.1:${gone.port}`;
    await gone.stop(true);
    const failure = await runChat(options({ proxyUrl, message: "x" }), recordedIo()).catch((error) => error);
    expect(failure).toBeInstanceOf(CommandError);
    expect(failure.message).toStartWith(`No answer from ${proxyUrl}/v1/chat/completions: `);
  });
});

describe("wrong usage", () => {
  const table: readonly (readonly [string, Partial<ChatOptions>, string])[] = [
    ["no token", { proxyToken: undefined }, "PROXY_TOKEN"],
    ["an empty message from stdin", { message: "-" }, "empty"],
  ];
  test.each(table)("%s is refused with what to do", async (_, given, words) => {
    const failure = await runChat(options(given), recordedIo()).catch((error) => error);
    expect(failure).toBeInstanceOf(UsageError);
    expect(failure.message).toContain(words);
  });
});

describe("a conversation", () => {
  test("keeps its history and ends at exit", async () => {
    const io = recordedIo({ stdin: typed("one", "", "two", "exit", "three") });
    await runChat(options({ model: "history" }), io);
    const roles = askedOf("history").map((body) =>
      (body["messages"] as { role: string }[]).map((m) => m.role),
    );
    expect(roles).toEqual([
      ["system", "user"],
      ["system", "user", "assistant", "user"],
    ]);
    expect(io.out().split("\n")).toHaveLength(3);
  });

  test("ends at quit and at the end of input", async () => {
    const quit = recordedIo({ stdin: typed("quit", "never") });
    await runChat(options({ model: "quit" }), quit);
    expect(askedOf("quit")).toEqual([]);
    await runChat(options(), recordedIo());
  });

  test("a failed turn is taken out of the history, told on stderr, and makes a script fail", async () => {
    let calls = 0;
    scripted["fails-once"] = () => {
      calls += 1;
      const answer = { choices: [{ message: { content: "fine" } }] };
      return calls === 1
        ? Response.json({ error: { message: "Busy", code: "busy" } }, { status: 503 })
        : Response.json(answer);
    };
    const io = recordedIo({ stdin: typed("lost", "kept") });
    const failure = await runChat(options({ model: "fails-once" }), io).catch((error) => error);
    expect(failure).toBeInstanceOf(CommandError);
    expect(io.err()).toStartWith("Busy [busy] (HTTP 503)\n");
    expect(io.out()).toBe("fine\n");
    expect(askedOf("fails-once")[1]?.["messages"]).toEqual([
      { role: "system", content: "Be kind" },
      { role: "user", content: "kept" },
    ]);
  });

  function terminal(): { stdin: NodeJS.ReadableStream; keys: PassThrough } {
    const keys = new PassThrough();
    return { keys, stdin: Object.assign(keys, { isTTY: true, setRawMode: () => keys }) };
  }

  test("on a terminal has a prompt, and a failure does not fail it", async () => {
    const { stdin, keys } = terminal();
    const io = recordedIo({ stdin, isTTY: true });
    const ended = runChat(options({ model: "mock-500" }), io);
    keys.write("hello\rexit\r");
    await ended;
    expect(io.err()).toContain("exit, Ctrl-D or Ctrl-C ends");
    expect(io.err()).toContain("> ");
    expect(io.err()).toContain("(HTTP 500)");
  });

  test.each([
    ["Ctrl-C", "\u0003"],
    ["Ctrl-D", "\u0004"],
  ])("on a terminal ends at %s, also in mid-answer", async (_, key) => {
    const { stdin, keys } = terminal();
    const io = recordedIo({ stdin, isTTY: true });
    const write = io.stdout.write;
    const watched = {
      ...io,
      stdout: {
        isTTY: true,
        write: (text: string) => {
          write(text);
          if (text.includes("said:")) keys.write(key);
        },
      },
    };
    const ended = runChat(options({ model: "mock-stall" }), watched);
    keys.write("hello\r");
    await ended;
    expect(io.out()).toStartWith("You said:");
  });
});
