import { expect, test } from "bun:test";
import { exampleCurl } from "./setup-example.ts";

test.each([
  ["openai", "/v1/chat/completions", "Authorization: Bearer sk-wt-x"],
  ["none", "/v1/chat/completions", "Authorization: Bearer sk-wt-x"],
  ["anthropic", "/v1/messages", "x-api-key: sk-wt-x"],
  ["gemini", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "x-goog-api-key: sk-wt-x"],
] as const)(
  "the example for dialect %s is a curl of %s that a shell can run",
  async (dialect, path, header) => {
    const received = Promise.withResolvers<{ path: string; body: unknown; header: string }>();
    await using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        const { pathname, search } = new URL(request.url);
        const name = header.split(": ")[0] ?? "";
        const body = await request.json();
        received.resolve({ path: pathname + search, body, header: `${name}: ${request.headers.get(name)}` });
        return new Response("done");
      },
    });
    const curl = exampleCurl({ serverUrl: `http://127.0.0.1:${server.port}`, dialect, token: "sk-wt-x" });
    const child = Bun.spawn(["sh", "-c", `${curl} -s --noproxy '*'`], { stdout: "pipe", stderr: "ignore" });
    expect(await child.stdout.text()).toBe("done");
    expect(await received.promise).toEqual({ path, header, body: expect.anything() });
  },
);
