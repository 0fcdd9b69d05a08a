import { expect, test } from "bun:test";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue } from "../harness/http-message.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { exchange, type RawResponse } from "../harness/raw-client.ts";
import { chunk, event, pause, readBody, replyJson, sseHead, write } from "../harness/upstream-steps.ts";
import { requestBytes } from "./lab.ts";

const content = (text: string) => event({ choices: [{ delta: { content: text }, finish_reason: null }] });
const stop = event({ choices: [{ delta: {}, finish_reason: "stop" }] });
const usage = event({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } });
const done = "data: [DONE]\n\n";
const chat = (content: string) =>
  JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content }] });

async function open() {
  const scope = new AsyncDisposableStack();
  const upstream = scope.use(await startFakeUpstream());
  const proxy = scope.use(await startProxy({ upstream: upstream.origin }));
  const { token } = await proxy.newToken((await proxy.newProject()).id);
  const call = (body: string): Promise<RawResponse> =>
    exchange(proxy.port, requestBytes("/v1/chat/completions", { method: "POST", token, body }), {
      method: "POST",
      deadlineMs: 20_000,
    });
  return { upstream, proxy, call, [Symbol.asyncDispose]: () => scope.disposeAsync() };
}

async function recordOf(proxy: ProxyProcess, response: RawResponse) {
  const id = headerValue(response.headers, "x-llm-proxy-request-id");
  for (;;) {
    const { status, json } = await proxy.manage("GET", `/requests/${id}`);
    if (status === 200) return json;
    await Bun.sleep(10);
  }
}

test("USE-104 the binary counts what nobody reports, whatever directory it is started in", async () => {
  await using lab = await open();
  lab.upstream.answer([
    readBody(),
    write(sseHead(), chunk(content("Hello world!") + stop + done), chunk("")),
  ]);
  const record = await recordOf(lab.proxy, await lab.call(chat("Say hello to the world")));
  expect(record).toMatchObject({ outcome: "complete", input_tokens: 12, output_tokens: 3, estimated: true });
});

test("counting holds nobody up: not its start, nor a word of 100,000 letters", async () => {
  await using lab = await open();
  const gapMs = 20;
  const paced = Array.from({ length: 60 }, (_, n) => [
    pause(gapMs),
    write(chunk(content(`word ${n}`))),
  ]).flat();
  lab.upstream.answerNext([
    readBody(),
    write(sseHead()),
    ...paced,
    write(chunk(stop + usage + done), chunk("")),
  ]);
  const stream = lab.call(chat("x"));
  await lab.upstream.nextRequest();
  lab.upstream.answer([
    readBody(),
    write(sseHead(), chunk(content("y".repeat(100_000)) + stop + done), chunk("")),
  ]);
  const heavy = await lab.call(chat("z".repeat(100_000)));
  const times = (await stream).body.arrivals.map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((time, n) => time - (times[n] ?? 0));
  expect(Math.max(...gaps)).toBeLessThan(gapMs + 3 * 100); // 100 ms on a machine with nothing else to do
  expect(await recordOf(lab.proxy, heavy)).toMatchObject({ estimated: true });
}, 30_000);

test.each([true, false])(
  "STR-111 an event of 24 MiB in writes of 8 KiB; followed by usage: %p",
  async (isFollowed) => {
    await using lab = await open();
    lab.upstream.answer(replyJson({ usage: { prompt_tokens: 1, completion_tokens: 1 } })); // so that nothing is counted
    await lab.call(chat("warm"));
    const before = lab.proxy.rssBytes();
    const piece = chunk("A".repeat(8192));
    const start = 'data: {"type":"response.image_generation_call.partial_image","b64":"';
    const rest = isFollowed ? `"}\n\n${stop}${usage}${done}` : "";
    lab.upstream.answerNext([
      readBody(),
      write(sseHead(), chunk(start)),
      ...Array.from({ length: 3072 }, () => write(piece)),
      write(...(rest === "" ? [] : [chunk(rest)]), chunk("")),
    ]);
    const startedMs = performance.now();
    const big = lab.call(chat("x"));
    await lab.upstream.nextRequest();
    let peak = before;
    const others: number[] = [];
    while (await Promise.race([big.then(() => false), Bun.sleep(20).then(() => true)])) {
      const atMs = performance.now();
      await lab.call(chat("x"));
      others.push(performance.now() - atMs);
      peak = Math.max(peak, lab.proxy.rssBytes());
    }
    const response = await big;
    expect(performance.now() - startedMs).toBeLessThan(3 * 3000);
    expect([response.complete, response.body.length]).toEqual([
      true,
      start.length + rest.length + (24 << 20),
    ]);
    expect(response.body.text().replaceAll("A", "")).toBe((start + rest).replaceAll("A", ""));
    expect(peak - before).toBeLessThan(64 << 20);
    expect(Math.max(0, ...others)).toBeLessThan(3 * 100);
    if (isFollowed)
      expect(await recordOf(lab.proxy, response)).toMatchObject({
        outcome: "complete",
        input_tokens: 7,
        output_tokens: 3,
        estimated: false,
      });
    else expect((await recordOf(lab.proxy, response)).error_code).toBe("stream_incomplete");
  },
  60_000,
);
