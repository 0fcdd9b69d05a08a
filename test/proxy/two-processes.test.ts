import { expect, test } from "bun:test";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue } from "../harness/http-message.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { connectRaw, exchange } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { chunk, event, readBody, replyJson, sseHead, write } from "../harness/upstream-steps.ts";
import { requestBytes } from "./lab.ts";

/** docs/database.md promises a second; machines that are busy get three. */
const boundMs = 3_000;

/** A call and what came of it: the key that the provider saw, or the code of the refusal. */
interface Call {
  readonly startedMs: number;
  readonly saw: string;
}

test("a key replaced and a token revoked hold at once where it was said, and on the other process within a second (AUT-103)", async () => {
  using data = temporaryDirectory();
  const goOn = Promise.withResolvers<void>();
  await using upstream = await startFakeUpstream({
    answer: ({ target, headers }) =>
      target === "/v1/long"
        ? [
            readBody(),
            write(sseHead(), chunk(event(1))),
            () => goOn.promise,
            write(chunk(event(2)), chunk("")),
          ]
        : replyJson({ saw: headerValue(headers, "authorization") }),
  });
  await using near = await startProxy({ upstream: upstream.origin, dataDirectory: data.path });
  await using far = await startProxy({ upstream: upstream.origin, dataDirectory: data.path });
  const project = await near.newProject();
  const { token, id } = await near.newToken(project.id);
  const call = async ({ port }: ProxyProcess): Promise<Call> => {
    const startedMs = performance.now();
    const answer = await exchange(port, requestBytes("/v1/models", { token }));
    const saw = headerValue(answer.headers, "x-llm-proxy-error") ?? JSON.parse(answer.body.text()).saw;
    return { startedMs, saw };
  };
  /** Calls both, 20 times a second, while the change is made and until it must hold; gives the time of its answer. */
  const during = async (change: () => Promise<unknown>) => {
    const calls = { near: [] as Promise<Call>[], far: [] as Promise<Call>[] };
    const both = () => {
      calls.near.push(call(near));
      calls.far.push(call(far));
    };
    const timer = setInterval(both, 50);
    await Bun.sleep(200);
    await change();
    const changedMs = performance.now();
    both();
    await Bun.sleep(1_500);
    clearInterval(timer);
    return { changedMs, near: await Promise.all(calls.near), far: await Promise.all(calls.far) };
  };
  const after = (calls: readonly Call[], atMs: number) => [
    ...new Set(calls.filter(({ startedMs }) => startedMs >= atMs).map(({ saw }) => saw)),
  ];
  const lastWith = (calls: readonly Call[], saw: string) =>
    Math.max(...calls.filter((each) => each.saw === saw).map(({ startedMs }) => startedMs));

  using stream = await connectRaw(far.port);
  await stream.send(requestBytes("/v1/long", { method: "POST", token, body: "{}" }));
  await stream.until("data: 1");

  const oldKey = `Bearer ${near.providerKey}`;
  const newKey = "Bearer sk-replacement-0123456789";
  const replaced = await during(() =>
    near.manage("PATCH", `/projects/${project.id}`, { api_key: newKey.slice("Bearer ".length) }),
  );
  expect(after(replaced.near, replaced.changedMs)).toEqual([newKey]);
  expect(new Set(replaced.far.map(({ saw }) => saw))).toEqual(new Set([oldKey, newKey]));
  expect(lastWith(replaced.far, oldKey) - replaced.changedMs).toBeLessThan(boundMs);
  expect(replaced.far.at(-1)?.saw).toBe(newKey);

  const revoked = await during(() => near.manage("DELETE", `/tokens/${id}`));
  expect(after(revoked.near, revoked.changedMs)).toEqual(["token_inactive"]);
  expect(lastWith(revoked.far, newKey) - revoked.changedMs).toBeLessThan(boundMs);
  expect(revoked.far.at(-1)?.saw).toBe("token_inactive");

  goOn.resolve();
  const answer = await stream.response({ method: "POST" });
  expect([answer.complete, answer.body.text()]).toEqual([true, event(1) + event(2)]);
}, 20_000);
