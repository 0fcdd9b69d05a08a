import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue, headerValues } from "../harness/http-message.ts";
import { within } from "../harness/mailbox.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { connectRaw, type RawResponse } from "../harness/raw-client.ts";
import type { Step } from "../harness/upstream-connection.ts";
import {
  chunk,
  event,
  fin,
  flood,
  head,
  hold,
  pause,
  readBody,
  reply,
  replyJson,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { jsonOf, requestBytes } from "./lab.ts";

const mib = 1 << 20;
/** Of bodies that a policy reads. */
const checkedMax = 64 * mib;

let upstream: FakeUpstream;
let proxy: ProxyProcess;
let token: string;
let checkedToken: string;
beforeAll(async () => {
  upstream = await startFakeUpstream({ keepBodies: false, answer: () => replyJson({ ok: true }) });
  proxy = await startProxy({
    upstream: upstream.origin,
    env: { MAX_REQUEST_SIZE: "64MiB" },
    providers: `  checked:
    base_url: ${upstream.origin}
    allowed_methods: [POST]
    allowed_endpoints: ["/*"]
    param_whitelist: {model: [gpt-*]}
`,
  });
  token = (await proxy.newToken((await proxy.newProject()).id)).token;
  checkedToken = (await proxy.newToken((await proxy.newProject({ provider: "checked" })).id)).token;
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const errorOf = ({ headers }: RawResponse) => headerValue(headers, "x-llm-proxy-error");

interface Upload {
  readonly credential?: string;
  readonly isChunked?: boolean;
}

/** Uploads a body in pieces of 1 MiB. */
async function upload(body: Uint8Array, { credential = token, isChunked = false }: Upload = {}) {
  using client = await connectRaw(proxy.port);
  const framing = isChunked ? ["Transfer-Encoding", "chunked"] : ["Content-Length", String(body.length)];
  const headers = [["Content-Type", "application/json"], framing as [string, string]] as const;
  const answer = client.response({ method: "POST", deadlineMs: 20_000 });
  await client.send(requestBytes("/v1/chat/completions", { method: "POST", token: credential, headers }));
  const sending = (async () => {
    for (let at = 0; at < body.length; at += mib) {
      const piece = body.subarray(at, at + mib);
      await client.send(isChunked ? chunk(Buffer.from(piece)) : piece);
    }
    if (isChunked) await client.send("0\r\n\r\n");
  })();
  const response = await answer;
  await Promise.race([sending, Bun.sleep(1_000)]);
  return response;
}

describe("ENC-108 a client of HTTP/1.0 never sees chunks", () => {
  const answers: [string, () => Step[], string][] = [
    [
      "short",
      () => [write(head(200, [["Transfer-Encoding", "chunked"]]), chunk("one"), chunk(" two"), chunk(""))],
      "one two",
    ],
    [
      "of a stream",
      () => [write(sseHead(), chunk(event(1))), pause(50), write(chunk(event(2)), chunk(""))],
      "data: 1\n\ndata: 2\n\n",
    ],
    [
      "long",
      () => [write(head(200, [["Transfer-Encoding", "chunked"]])), write(chunk("x".repeat(mib)), chunk(""))],
      "x".repeat(mib),
    ],
    ["that ends with the connection", () => [write(`${head(200)}until the end`), fin()], "until the end"],
  ];
  const connections = ["", "Connection: keep-alive\r\n", "Connection: close\r\n"];
  test.each(answers)("%s", async (_, steps, text) => {
    for (const connection of connections) {
      upstream.answerNext([readBody(), ...steps()]);
      using client = await connectRaw(proxy.port);
      await client.send(
        `GET /v1/models HTTP/1.0\r\nHost: api.example\r\n${connection}Authorization: Bearer ${token}\r\n\r\n`,
      );
      const response = await client.response();
      expect([connection, response.complete, headerValues(response.headers, "transfer-encoding")]).toEqual([
        connection,
        true,
        [],
      ]);
      expect(response.body.text() === text).toBe(true);
      if (headerValue(response.headers, "content-length") === undefined) expect(response.ending).toBe("fin");
    }
  });
});

describe("BOD-103 no limit of the runtime is in the way of a large body", () => {
  test.each([
    [127, false],
    [129, false],
    [300, false],
    [127, true],
    [129, true],
    [300, true],
  ])(
    "%p MiB pass; in chunks: %p",
    async (size, isChunked) => {
      const body = Buffer.alloc(size * mib, "b");
      const response = await upload(body, { isChunked });
      expect([response.status, response.complete]).toEqual([200, true]);
      expect((await upstream.requests.at(-1)?.wholeBody())?.length).toBe(body.length);
    },
    30_000,
  );

  const json = (length: number) => Buffer.from(`{"model":"gpt-4","x":"${"x".repeat(length - 24)}"}`);
  test.each([false, true])(
    "where a policy reads it the limit is exact; in chunks: %p",
    async (isChunked) => {
      const response = await upload(json(checkedMax), { isChunked, credential: checkedToken });
      expect(response.status).toBe(200);
      expect((await upstream.requests.at(-1)?.wholeBody())?.length).toBe(checkedMax);
      const before = upstream.connections.length;
      const refused = await upload(json(checkedMax + 1), { isChunked, credential: checkedToken });
      expect([refused.status, errorOf(refused)]).toEqual([413, "request_too_large"]);
      expect(jsonOf(refused).error.message).toContain(`${checkedMax} bytes`);
      expect(upstream.connections.length).toBe(before);
    },
    30_000,
  );

  test("by its length it is refused before it comes, and that is counted and logged", async () => {
    using client = await connectRaw(proxy.port);
    const headers = [["Content-Length", String(checkedMax + 1)]] as const;
    const before = upstream.connections.length;
    await client.send(requestBytes("/v1/x", { method: "POST", token: checkedToken, headers }));
    const response = await client.response();
    expect([response.status, errorOf(response)]).toEqual([413, "request_too_large"]);
    expect(upstream.connections.length).toBe(before);
    const metrics = await (await fetch(`${proxy.origin}/metrics/prometheus`)).text();
    expect(metrics).toMatch(/llm_proxy_refusals_total\{code="request_too_large"\} [1-9]/);
    const id = headerValue(response.headers, "x-llm-proxy-request-id") ?? "";
    const logged = async () => {
      const isIt = (line: string) => line.includes(id) && line.includes('"error_code":"request_too_large"');
      while (!proxy.stdout().split("\n").some(isIt)) await Bun.sleep(10);
    };
    await within(logged(), 5_000, () => "its log line");
  });
});

test.each([2, 12, 33])(
  "BOD-104 three images of %p MiB in all reach the provider, and its own answer comes back",
  async (size) => {
    const image = () => `data:image/png;base64,${randomBytes((size * mib * 3) / 4 / 3).toString("base64")}`;
    const content = [1, 2, 3].map(() => ({ type: "image_url", image_url: { url: image() } }));
    const body = Buffer.from(JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content }] }));
    const said = '{"error":{"message":"image too large","type":"invalid_request_error"}}';
    if (size === 33) upstream.answerNext(reply(413, [["Content-Type", "application/json"]], said));
    const response = await upload(body);
    expect(upstream.requests.at(-1)?.body.sha256()).toBe(sha256(body));
    expect([response.status, response.body.text(), errorOf(response)]).toEqual(
      size === 33 ? [413, said, undefined] : [200, '{"ok":true}', undefined],
    );
  },
  20_000,
);

describe("BOD-107 an upload goes to the provider while it comes", () => {
  test("its first byte within 100 ms", async () => {
    const came = Promise.withResolvers<number>();
    upstream.answerNext([readBody(1), () => came.resolve(performance.now()), ...replyJson({})]);
    using client = await connectRaw(proxy.port);
    const headers = [["Content-Length", String(200 * mib)]] as const;
    await client.send(requestBytes("/v1/files", { method: "POST", token, headers }));
    const sentAtMs = performance.now();
    await client.send("f");
    expect((await within(came.promise, 3_000, () => "first byte")) - sentAtMs).toBeLessThan(300);
  });

  test("20 at once do not fill the memory", async () => {
    const before = proxy.rssBytes();
    let most = before;
    const timer = setInterval(() => {
      most = Math.max(most, proxy.rssBytes());
    }, 20);
    const body = Buffer.alloc(20 * mib, "u");
    const answers = await Promise.all(Array.from({ length: 20 }, () => upload(body)));
    clearInterval(timer);
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(most - before).toBeLessThan(256 * mib);
  }, 30_000);
});

test("RES-107 a burst of large bodies stays within 256 MiB; what is above the budget is told when to come again", async () => {
  const size = 5 * mib;
  await using far = await startFakeUpstream({
    keepBodies: false,
    answer: () => [readBody(), write(head(200, [["Content-Length", String(size)]])), flood(size)],
  });
  // As the server starts itself anew in a container of this size.
  const env = { MAX_CONCURRENT_REQUESTS: "30", BUN_JSC_forceRAMSize: String(256 * mib) };
  await using small = await startProxy({ upstream: far.origin, env });
  const credential = (await small.newToken((await small.newProject()).id)).token;
  const body = new Uint8Array(size);
  const headers = { authorization: `Bearer ${credential}` };
  const before = small.rssBytes();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, small.rssBytes());
  }, 20);
  const call = async () => {
    const answer = await fetch(`${small.origin}/v1/files`, { method: "POST", headers, body });
    return [answer.status, (await answer.bytes()).length === size, answer.headers.get("retry-after")].join(
      " ",
    );
  };
  const answers: string[] = [];
  for (let round = 0; round < 3; round++)
    answers.push(...(await Promise.all(Array.from({ length: 40 }, call))));
  clearInterval(timer);
  expect([...new Set(answers)].toSorted()).toEqual(["200 true ", "503 false 1"]);
  expect(most - before).toBeLessThan(190 * mib);
}, 30_000);

describe("JSN-104 a large JSON body holds up no other stream", () => {
  const text = (size: number) => Buffer.from(`{"model":"gpt-4","input":"${"x".repeat(size)}"}`);
  const items = (count: number) => Buffer.from(`{"model":"gpt-4","input":[${"17,".repeat(count)}18]}`);
  const fields = (count: number) =>
    Buffer.from(
      `{"model":"gpt-4"${Array.from({ length: count }, (_, index) => `,"field-${index}":0`).join("")}}`,
    );

  const bodies: { what: string; body: () => Buffer; isChecked?: true; status?: number }[] = [
    { what: "one long string", body: () => text(60 * mib) },
    { what: "3 million items", body: () => items(3_000_000) },
    { what: "one long string that a policy reads", body: () => text(60 * mib), isChecked: true },
    { what: "3 million items that a policy reads", body: () => items(3_000_000), isChecked: true },
    { what: "700,000 fields that a policy reads", body: () => fields(700_000), isChecked: true, status: 400 },
  ];
  test.each(bodies)(
    "$what",
    async ({ body, isChecked, status = 200 }) => {
      const bytes = body();
      upstream.answerNext([
        readBody(),
        write(sseHead()),
        ...Array.from({ length: 500 }, (_, index) => [pause(50), write(chunk(event(index)))]).flat(),
        hold(),
      ]);
      using stream = await connectRaw(proxy.port);
      await stream.send(requestBytes("/v1/stream", { method: "POST", token, body: "{}" }));
      await stream.until("data: 3");
      const from = stream.arrivals.length;
      const response = await upload(bytes, isChecked ? { credential: checkedToken } : {});
      expect(response.status).toBe(status);
      if (status === 200) expect(upstream.requests.at(-1)?.body.sha256()).toBe(sha256(bytes));
      const during = stream.arrivals.length;
      const goingOn = async () => {
        while (stream.arrivals.length < during + 2) await Bun.sleep(10);
      };
      await within(goingOn(), 5_000, () => "more of the stream");
      const times = stream.arrivals.slice(from - 1).map(({ atMs }) => atMs);
      const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs));
      expect(Math.max(...gaps)).toBeLessThan(750);
    },
    30_000,
  );
});
