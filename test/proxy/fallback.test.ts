import { describe, expect, test } from "bun:test";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { freePort } from "../harness/free-port.ts";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw, type RawResponse } from "../harness/raw-client.ts";
import {
  chunk,
  event,
  fin,
  hold,
  pause,
  readBody,
  replyJson,
  replySse,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { type Lab, type LabRequest, openLab, requestBytes } from "./lab.ts";

/** A provider `first` at the lab's upstream, one `spare` at another, and a project with keys for both. */
interface Pair extends AsyncDisposable {
  readonly lab: Lab;
  readonly first: FakeUpstream;
  readonly spare: FakeUpstream;
  readonly token: string;
  readonly tokenId: string;
  readonly spareKeyId: string;
  call(request?: LabRequest, target?: string): Promise<RawResponse>;
}

interface PairOptions {
  /** Lines of `first`, besides `fallback: spare`. */
  readonly first?: string;
  /** Lines of `spare`, besides its address. */
  readonly spare?: string;
  /** Of `first`; default the lab's upstream. */
  readonly firstUrl?: string;
  readonly spareUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly hasSpareKey?: boolean;
}

const allowAll = `allowed_methods: [GET, POST]\n    allowed_endpoints: ["/*"]`;
const onStatus = "retries: {max: 1, on_status: [429, 500, 502, 503, 504], max_delay: 50ms}";

async function openPair(options: PairOptions = {}): Promise<Pair> {
  const spare = await startFakeUpstream();
  const { firstUrl = "$UPSTREAM", spareUrl = spare.origin } = options;
  const providers = `  first:
    base_url: ${firstUrl}
    fallback: spare
    ${allowAll}
    ${options.first ?? onStatus}
  spare:
    base_url: ${spareUrl}/base
    ${options.spare ?? allowAll}
`;
  const lab = await openLab({ providers, env: { CIRCUIT_BREAKER_THRESHOLD: "0", ...options.env } });
  const project = await lab.app.newProject({ provider: "first", api_key: "sk-first-0123456789" });
  const key = { api_key: "sk-spare-0123456789", provider: "spare" };
  const hasSpareKey = options.hasSpareKey ?? true;
  const added = hasSpareKey ? await lab.app.manage("POST", `/projects/${project.id}/keys`, key) : undefined;
  const { token, id: tokenId } = await lab.app.newToken(project.id, { max_requests: 100 });
  return {
    lab,
    first: lab.upstream,
    spare,
    token,
    tokenId,
    spareKeyId: added?.json.id,
    call: (request = {}, target = "/v1/chat/completions") =>
      lab.call(target, { token, body: '{"model":"m"}', ...request }),
    async [Symbol.asyncDispose]() {
      await lab[Symbol.asyncDispose]();
      await spare[Symbol.asyncDispose]();
    },
  };
}

const servedBy = ({ status, headers }: RawResponse) => [
  status,
  headerValue(headers, "x-llm-proxy-fallback"),
  headerValue(headers, "x-llm-proxy-error"),
];
const byFallback = [200, "spare", undefined];
const metric = async (lab: Lab, line: RegExp) =>
  line.exec(await (await fetch(`${lab.app.origin}/metrics/prometheus`)).text())?.[1];
const requestCount = async ({ lab, tokenId }: Pair) =>
  (await lab.app.manage("GET", `/tokens/${tokenId}`)).json.request_count;

describe("another provider answers", () => {
  test("a status of the policy, after its attempts: the same bytes go there, with its own key and base path", async () => {
    await using pair = await openPair();
    pair.first.answer(replyJson({ error: "down" }, 503));
    const answer = await pair.call({ headers: [["X-Kept", "yes"]] });
    expect(servedBy(answer)).toEqual(byFallback);
    expect(headerValue(answer.headers, "x-llm-proxy-retries")).toBe("2");
    expect(pair.first.requests.map(({ headers }) => headerValue(headers, "authorization"))).toEqual([
      "Bearer sk-first-0123456789",
      "Bearer sk-first-0123456789",
    ]);
    const [request] = pair.spare.requests;
    expect(request?.target).toBe("/base/v1/chat/completions");
    expect(headerValue(request?.headers ?? [], "authorization")).toBe("Bearer sk-spare-0123456789");
    expect(headerValue(request?.headers ?? [], "x-kept")).toBe("yes");
    expect((await request?.wholeBody())?.bytes().toString()).toBe('{"model":"m"}');
  });

  test("record, log and metrics name the one that answered; one request is counted", async () => {
    await using pair = await openPair();
    pair.first.answer(replyJson({}, 500));
    await pair.call();
    expect((await pair.lab.records(1))[0]).toMatchObject({
      provider: "spare",
      key_id: pair.spareKeyId,
      path: "/v1/chat/completions",
      status: 200,
      outcome: "complete",
    });
    const line = /upstream_fallbacks_total\{provider="first",fallback="spare"\} (\d+)/;
    expect(await metric(pair.lab, line)).toBe("1");
    expect(await metric(pair.lab, /http_requests_total\{provider="spare".*status="200"\} (\d+)/)).toBe("1");
    expect(await requestCount(pair)).toBe(1);
    await pair.lab.app.stop();
    expect(pair.lab.app.log()).toMatch(/"provider":"spare","fallback_for":"first"/);
  });

  test("a stream passes as it would from the first", async () => {
    await using pair = await openPair();
    pair.first.answer(replyJson({}, 500));
    pair.spare.answer(replySse(["data: 1\n\n", "data: [DONE]\n\n"]));
    const answer = await pair.call();
    expect(servedBy(answer)).toEqual(byFallback);
    expect([answer.complete, answer.body.text()]).toEqual([true, "data: 1\n\ndata: [DONE]\n\n"]);
  });

  test("no connection comes about: whatever the policy says of statuses", async () => {
    const firstUrl = `http://127.0.0.1:${await freePort()}`;
    await using pair = await openPair({ firstUrl, first: "retries: {max: 0}" });
    expect(servedBy(await pair.call())).toEqual(byFallback);
    expect(await requestCount(pair)).toBe(1);
  });

  test("the circuit is open: at once, and the first one hears nothing", async () => {
    await using pair = await openPair({ env: { CIRCUIT_BREAKER_THRESHOLD: "1" } });
    pair.first.answer(replyJson({}, 503));
    await pair.call();
    const heard = pair.first.requests.length;
    const answer = await pair.call();
    expect(servedBy(answer)).toEqual(byFallback);
    expect(headerValue(answer.headers, "x-llm-proxy-retries")).toBeUndefined();
    expect(pair.first.requests.length).toBe(heard);
  });

  test("429 that asks to wait for longer than the policy does: at once", async () => {
    await using pair = await openPair();
    pair.first.answer(replyJson({}, 429, [["Retry-After", "30"]]));
    for (let count = 0; count < 15; count++) expect(servedBy(await pair.call())).toEqual(byFallback);
    expect(pair.first.requests.length).toBe(15);
  });

  test("a list: the next where one has nothing either, then those that they name", async () => {
    await using third = await startFakeUpstream();
    const url = `http://127.0.0.1:${await freePort()}`;
    await using pair = await openPair({
      spareUrl: url,
      spare: `${allowAll}\n    retries: {max: 0}\n    fallback: [third]
  third:
    base_url: ${third.origin}
    auth: none
    ${allowAll}`,
    });
    pair.first.answer(replyJson({}, 503));
    expect(servedBy(await pair.call())).toEqual([200, "third", undefined]);
    expect(headerValue(third.requests[0]?.headers ?? [], "authorization")).toBeUndefined();
  });

  test.each([
    ["a time-out, where 504 is in on_status", "[504]", [readBody(), hold()], byFallback],
    ["a time-out, where it is not", "[502]", [readBody(), hold()], [504, undefined, "timeout"]],
    ["a connection that broke unanswered, where 502 is", "[502]", [readBody(), fin()], byFallback],
    ["one, where it is not", "[504]", [readBody(), fin()], [502, undefined, "bad_gateway"]],
  ])("%s", async (_, statuses, steps, expected) => {
    const first = `retries: {on_status: ${statuses}}\n    timeouts: {response_header: 100ms}`;
    await using pair = await openPair({ first });
    pair.first.answer(steps);
    expect(servedBy(await pair.call())).toEqual(expected as typeof byFallback);
    expect(pair.first.requests.length).toBe(1);
  });
});

describe("the first one's answer is handed on", () => {
  const handedOn = [503, undefined, undefined];

  test("a status that is not in the policy", async () => {
    await using pair = await openPair({ first: "retries: {on_status: [500]}" });
    pair.first.answer(replyJson({ error: "mine" }, 503));
    expect(servedBy(await pair.call())).toEqual(handedOn);
    expect(pair.spare.requests.length).toBe(0);
  });

  test.each([
    ["the project holds no key for the fallback", { hasSpareKey: false }],
    [
      "the path is not allowed there",
      { spare: "allowed_methods: [POST]\n    allowed_endpoints: [/v1/models]" },
    ],
    ["the method is not allowed there", { spare: `allowed_methods: [GET]\n    allowed_endpoints: ["/*"]` }],
    ["a parameter is not allowed there", { spare: `${allowAll}\n    param_whitelist: {model: [gpt-5]}` }],
    ["a header is required there", { spare: `${allowAll}\n    required_headers: [X-Team]` }],
    ["the fallback cannot be reached", { spareUrl: "http://127.0.0.1:1" }],
  ] as [string, PairOptions][])("%s", async (_, options) => {
    await using pair = await openPair(options);
    pair.first.answer(replyJson({ error: "mine" }, 503));
    const answer = await pair.call();
    expect(servedBy(answer)).toEqual(handedOn);
    expect(answer.body.text()).toBe('{"error":"mine"}');
    expect((await pair.lab.records(1))[0]).toMatchObject({ provider: "first", status: 503 });
    expect(pair.spare.requests.length).toBe(0);
  });

  test("a body that streams through cannot be sent to another", async () => {
    await using pair = await openPair();
    pair.first.answer(replyJson({}, 503));
    const chunked = { headers: [["Transfer-Encoding", "chunked"]] as const, body: "2\r\n{}\r\n0\r\n\r\n" };
    expect(servedBy(await pair.call(chunked))).toEqual(handedOn);
    expect(pair.spare.requests.length).toBe(0);
  });

  test("a stream that breaks off after its first byte is cut, never begun anew elsewhere", async () => {
    await using pair = await openPair();
    const [reading, head, first] = replySse(["data: 1\n\n"]);
    pair.first.answer([reading!, head!, first!, pause(50), (link) => link.reset()]);
    const answer = await pair.call();
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expect(pair.spare.requests.length).toBe(0);
  });
});

test("what the fallback refuses is handed on as it is: a prefill that it does not support", async () => {
  await using pair = await openPair();
  const refusal = '{"type":"error","error":{"type":"invalid_request_error","message":"no prefill"}}';
  pair.first.answer(replyJson({}, 503));
  pair.spare.answer(replyJson(refusal, 400));
  const answer = await pair.call();
  expect(servedBy(answer)).toEqual([400, "spare", undefined]);
  expect(answer.body.text()).toBe(refusal);
  expect(pair.spare.requests.length).toBe(1);
});

test("nobody could be reached: the first refusal is told, and nothing is counted", async () => {
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  await using pair = await openPair({ firstUrl: nowhere, spareUrl: nowhere, first: "retries: {max: 0}" });
  expect(servedBy(await pair.call())).toEqual([502, undefined, "bad_gateway"]);
  expect((await pair.lab.records(1))[0]).toMatchObject({ provider: "first", outcome: "upstream_error" });
  expect(await requestCount(pair)).toBe(0);
});

test("`request` bounds the whole way, fallbacks and pauses included", async () => {
  const first = "retries: {max: 0, on_status: [503]}\n    timeouts: {request: 400ms}";
  await using pair = await openPair({ first });
  pair.first.answer([readBody(), pause(250), ...replyJson({}, 503)]);
  pair.spare.answer([readBody(), hold()]);
  const sentAtMs = performance.now();
  const answer = await pair.call();
  const tookMs = performance.now() - sentAtMs;
  expect(tookMs).toBeGreaterThan(350);
  expect(tookMs).toBeLessThan(1_500);
  expect(servedBy(answer)).toEqual([503, undefined, undefined]);
});

test("`total` bounds the whole way too, the stream of a fallback included", async () => {
  const first = "retries: {max: 0, on_status: [503]}\n    timeouts: {total: 400ms}";
  await using pair = await openPair({ first });
  pair.first.answer([readBody(), pause(200), ...replyJson({}, 503)]);
  pair.spare.answer([readBody(), write(sseHead(), chunk(event(1))), hold()]);
  const sentAtMs = performance.now();
  const answer = await pair.call();
  expect(performance.now() - sentAtMs).toBeWithin(350, 1_500);
  expect([answer.status, answer.complete]).toEqual([200, false]);
  expect((await pair.lab.records(1))[0]).toMatchObject({ provider: "spare", outcome: "upstream_timeout" });
});

test("a client that goes away at the fallback closes its connection: one outcome, and nobody else is asked", async () => {
  await using pair = await openPair();
  pair.first.answer(replyJson({}, 503));
  pair.spare.answer([readBody(), hold()]);
  using client = await connectRaw(pair.lab.app.port);
  await client.send(requestBytes("/v1/x", { method: "POST", token: pair.token, body: "{}" }));
  const { connection } = await pair.spare.nextRequest();
  client.close();
  const leftAtMs = performance.now();
  const close = await connection.closed(3_000);
  expect(close.by).toBe("peer");
  expect(close.atMs - leftAtMs).toBeLessThan(750);
  const records = await pair.lab.records(1);
  expect(records.map(({ outcome, status }) => [outcome, status])).toEqual([["client_cancelled", 499]]);
  expect(await requestCount(pair)).toBe(1);
});

test("a client that goes away in the pause before a fallback: that is not asked", async () => {
  await using pair = await openPair({ first: "retries: {max: 1, on_status: [503], max_delay: 2s}" });
  pair.first.answer(replyJson({}, 503, [["Retry-After", "1"]]));
  using client = await connectRaw(pair.lab.app.port);
  await client.send(requestBytes("/v1/x", { method: "POST", token: pair.token, body: "{}" }));
  await (await pair.first.nextRequest()).wholeBody();
  client.close();
  expect((await pair.lab.records(1)).map(({ outcome }) => outcome)).toEqual(["client_cancelled"]);
  expect([pair.first.requests.length, pair.spare.requests.length]).toEqual([1, 0]);
});

test("a provider that flaps is covered all the time, and served by itself again", async () => {
  await using pair = await openPair({
    first: "retries: {max: 0, on_status: [500, 502, 503, 504]}",
    env: { CIRCUIT_BREAKER_THRESHOLD: "3", CIRCUIT_BREAKER_COOLDOWN: "60ms" },
  });
  const seen = new Set<string>();
  for (const isUp of [true, false, true, false, true]) {
    pair.first.answer(isUp ? replyJson({}) : replyJson({}, 503));
    for (let count = 0; count < 8; count++) {
      const answer = await pair.call();
      expect(answer.status).toBe(200);
      seen.add(`${isUp} ${headerValue(answer.headers, "x-llm-proxy-fallback") ?? "first"}`);
      await Bun.sleep(15);
    }
  }
  expect(seen).toContain("true first");
  expect(seen).toContain("false spare");
  expect(seen).not.toContain("false first");
  while (headerValue((await pair.call()).headers, "x-llm-proxy-fallback") !== undefined) await Bun.sleep(20);
});
