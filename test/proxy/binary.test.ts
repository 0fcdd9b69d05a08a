import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { connectRaw, exchange } from "../harness/raw-client.ts";
import { chunk, event, hold, pause, readBody, reply, sseHead, write } from "../harness/upstream-steps.ts";
import { requestBytes } from "./lab.ts";

// What the specs want to see of the compiled binary itself; the rest of this directory runs in process.

let upstream: FakeUpstream;
let proxy: ProxyProcess;
let projectId = "";
let token = "";
beforeAll(async () => {
  upstream = await startFakeUpstream();
  proxy = await startProxy({ upstream: upstream.origin });
  ({ id: projectId } = await proxy.newProject());
  ({ token } = await proxy.newToken(projectId));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const post = (target: string, more: { token?: string; body?: string | Uint8Array } = {}) =>
  requestBytes(target, { method: "POST", token, body: "{}", ...more });

test.concurrent("a silence of 14 s is not cut, neither before the headers nor in a stream (TMO-101)", async () => {
  const quietMs = 14_000;
  upstream.answer(({ target }) => {
    if (target === "/quiet-before")
      return [readBody(), pause(quietMs), ...reply(200, [["Content-Type", "text/plain"]], "at last")];
    if (target === "/quiet-inside")
      return [
        readBody(),
        write(sseHead(), chunk(event(1))),
        pause(quietMs),
        write(chunk(event(2)), chunk("")),
      ];
    return reply(200, [["Content-Type", "text/plain"]], "ok");
  });
  const [before, inside] = await Promise.all(
    ["/quiet-before", "/quiet-inside"].map((target) =>
      exchange(proxy.port, post(target), { deadlineMs: 25_000 }),
    ),
  );
  expect([before?.status, before?.complete, before?.body.text()]).toEqual([200, true, "at last"]);
  expect([inside?.complete, inside?.body.text()]).toEqual([true, event(1) + event(2)]);
}, 30_000);

test.concurrent("max_requests is exact under 100 requests at once (LIM-101)", async () => {
  const limited = await proxy.newToken(projectId, { max_requests: 41 });
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => exchange(proxy.port, post("/v1/limited", { token: limited.token }))),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(41);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(59);
  expect(upstream.requests.filter(({ target }) => target === "/v1/limited")).toHaveLength(41);
});

test.concurrent("8 MiB of random bytes have the same SHA-256 on both sides", async () => {
  const body = randomBytes(8 << 20);
  await exchange(proxy.port, post("/v1/upload", { body }));
  const arrived = upstream.requests.find(({ target }) => target === "/v1/upload");
  expect(arrived?.body.sha256()).toBe(createHash("sha256").update(body).digest("hex"));
});

test.concurrent("300 streams at once are all under way at the same time", async () => {
  await using own = await startFakeUpstream({
    answer: [readBody(), write(sseHead(), chunk(event(1))), hold()],
  });
  await using wide = await startProxy({ upstream: own.origin });
  const project = await wide.newProject();
  const { token } = await wide.newToken(project.id);
  const clients = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const client = await connectRaw(wide.port);
      await client.send(requestBytes("/v1/x", { method: "POST", token, body: "{}" }));
      return client;
    }),
  );
  await Promise.all(clients.map((client) => client.until("data: 1", 10_000)));
  expect(own.requests).toHaveLength(300);
  for (const client of clients) client.close();
  const closes = await Promise.all(own.connections.map((connection) => connection.closed()));
  expect(closes.every(({ by }) => by === "peer")).toBe(true);
}, 20_000);
