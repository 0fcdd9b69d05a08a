import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue } from "../harness/http-message.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { exchange } from "../harness/raw-client.ts";
import { chunk, pause, readBody, sseHead, write } from "../harness/upstream-steps.ts";
import { requestBytes } from "./lab.ts";

// Streams through the compiled binary, with all that reads them turned on.

let upstream: FakeUpstream;
let proxy: ProxyProcess;
const tokens = new Map<string, string>();
const families = {
  openai: "/v1/chat/completions",
  anthropic: "/v1/messages",
  gemini: "/v1beta/models/g:streamGenerateContent?alt=sse",
  none: "/v1/any",
};
beforeAll(async () => {
  upstream = await startFakeUpstream();
  proxy = await startProxy({
    upstream: upstream.origin,
    providers: Object.keys(families)
      .map(
        (name) =>
          `  of-${name}: {base_url: "${upstream.origin}", dialect: ${name}, auth: bearer, allowed_methods: [POST], allowed_endpoints: ["/*"]}\n`,
      )
      .join(""),
    env: { LOG_LEVEL: "debug" },
  });
  for (const name of Object.keys(families)) {
    const project = await proxy.newProject({ provider: `of-${name}` });
    tokens.set(name, (await proxy.newToken(project.id)).token);
  }
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** Streams these pieces, each a write of its own, and expects the same bytes. */
async function passes(
  family: keyof typeof families,
  pieces: readonly (string | readonly number[])[],
  gapMs = 0,
) {
  const bytes = pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : Buffer.from(piece)));
  const steps = bytes.flatMap((piece) =>
    gapMs > 0 ? [pause(gapMs), write(chunk(piece))] : [write(chunk(piece))],
  );
  upstream.answerNext([readBody(), write(sseHead()), ...steps, write(chunk(""))]);
  const request = requestBytes(families[family], {
    method: "POST",
    token: tokens.get(family) ?? "",
    headers: [["Content-Type", "application/json"]],
    body: '{"model":"m","stream":true,"messages":[]}',
  });
  const answer = await exchange(proxy.port, request);
  const whole = Buffer.concat(bytes);
  expect([answer.status, answer.complete]).toEqual([200, true]);
  expect(headerValue(answer.headers, "content-type")).toBe("text/event-stream");
  expect(answer.body.sha256()).toBe(createHash("sha256").update(whole).digest("hex"));
  expect(answer.body.bytes().includes(Buffer.from([0xef, 0xbf, 0xbd]))).toBe(false);
}

const all = Object.keys(families) as (keyof typeof families)[];
const earth = [0xf0, 0x9f, 0x8c, 0x8d];
const north = [0xe5, 0x8c, 0x97];
const opening = 'data: {"model":"m","choices":[{"delta":{"content":"';
const usage = 'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n';
const ending = `"}}]}\n\n${usage}data: [DONE]\n\n`;

const cuts: [string, (readonly number[])[]][] = [
  ["four bytes, one by one", earth.map((byte) => [byte])],
  ["three bytes, cut after the first", [north.slice(0, 1), north.slice(1)]],
  ["three bytes, cut after the second", [north.slice(0, 2), north.slice(2)]],
];
test.each(cuts)("a character of %s is the same here (STR-101)", async (_, pieces) => {
  for (const family of all) await passes(family, [opening, ...pieces, ending], 30);
  expect(proxy.stdout() + proxy.stderr()).not.toContain("\ufffd");
});

const odd = [
  'data: { "a" : 1 , "b":2} \n\n',
  'data: {"a":"\\u00e9 é \\/ /","n":1.0,"e":1e2,"E":1E+2,"z":-0,"a":"again"}   \n\n',
  "event: response.new_thing\ndata: {}\n\n",
  "event:response.new_thing\ndata:{}\n\n",
  'event: message_start\ndata: {"type":"message_start","message":{"model":"m","unknown":[ ]}}\n\n',
  'data: {"type":"response.completed","response":{"usage":{"input_tokens":1 , "output_tokens":2}}}\n\n',
  'data: {"candidates":[{}],"usageMetadata":{"promptTokenCount":3}, "x":"\\ud83d"}\n\n',
  "data: [DONE] \n\n",
];
test("spacing, escapes, doubled keys and unknown events are the same here (STR-113)", async () => {
  for (const family of all) await passes(family, odd);
});

test("numbers that no double holds are the same in events (JSN-101)", async () => {
  const numbers = `{"seed":9007199254740993,"metadata":{"id":2512292042121000001,"f":1.0,"e":1E+2,"n":-0,"big":1e400},"usage":{"prompt_tokens":9007199254740993,"completion_tokens":1e400}}`;
  for (const family of all) await passes(family, [`data: ${numbers}\n\n`, "data: [DONE]\n\n"]);
});
