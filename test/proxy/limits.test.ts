import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { freePort } from "../harness/free-port.ts";
import { headerValue, headerValues } from "../harness/http-message.ts";
import type { RawResponse } from "../harness/raw-client.ts";
import { fin, hold, readBody, replyJson, replySse } from "../harness/upstream-steps.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
let awayPort = 0;
beforeAll(async () => {
  awayPort = await freePort();
  lab = await openLab({
    env: { CIRCUIT_BREAKER_THRESHOLD: "0" }, // the host that is away is asked all the same
    providers: `  away: {base_url: "http://127.0.0.1:${awayPort}", allowed_methods: [POST], allowed_endpoints: ["/*"]}
  narrow: {base_url: $UPSTREAM, allowed_methods: [POST], allowed_endpoints: [/v1], param_whitelist: {model: [m]}}
  slow: {base_url: $UPSTREAM, allowed_methods: [POST], allowed_endpoints: ["/*"], timeouts: {response_header: 50ms}}
`,
  });
});
afterAll(() => lab[Symbol.asyncDispose]());

const remaining = (answer: RawResponse) => headerValue(answer.headers, "x-llm-proxy-remaining-requests");

async function limitedToken(max_requests: number, provider = "lab") {
  const project = await lab.app.newProject({ provider });
  const { token, id } = await lab.app.newToken(project.id, { max_requests });
  const count = async (): Promise<number> =>
    (await lab.app.manage("GET", `/tokens/${id}`)).json.request_count;
  return { token, id, count, project };
}

describe("max_requests", () => {
  test("is exact under 100 requests at once: exactly so many reach the provider (LIM-101)", async () => {
    const { token, count } = await limitedToken(37);
    const before = lab.upstream.requests.length;
    const answers = await Promise.all(Array.from({ length: 100 }, () => lab.call("/v1/models", { token })));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(37);
    expect(statuses.filter((status) => status === 429)).toHaveLength(63);
    expect(lab.upstream.requests).toHaveLength(before + 37);
    expect(await count()).toBe(37);
    const left = answers.filter(({ status }) => status === 200).map((answer) => Number(remaining(answer)));
    expect(left.sort((a, b) => a - b)).toEqual(Array.from({ length: 37 }, (_, n) => n));
  });

  test("tells what is left, on streams too, and nothing for tokens without a limit", async () => {
    const { token } = await limitedToken(3);
    expect(remaining(await lab.call("/v1/models", { token }))).toBe("2");
    lab.upstream.answerNext(replySse(["data: 1\n\n"]));
    expect(remaining(await lab.call("/v1/x", { token, body: "{}" }))).toBe("1");
    lab.upstream.answerNext(replyJson({ error: {} }, 500));
    expect(remaining(await lab.call("/v1/x", { token, body: "{}" }))).toBe("0");
    const refused = await lab.call("/v1/models", { token });
    expect([refused.status, headerValues(refused.headers, "retry-after")]).toEqual([429, []]);
    expect(remaining(await lab.call("/v1/models"))).toBeUndefined();
  });

  test("is not spent by what a policy refuses", async () => {
    const { token, count } = await limitedToken(2, "narrow");
    await lab.call("/v1/x", { token });
    await lab.call("/other", { token, body: "{}" });
    await lab.call("/v1/..%2F", { token, body: "{}" });
    await lab.call("/v1/x", { token, body: '{"model":"other"}' });
    await lab.call("/v1/x", { token, body: "{" });
    expect(await count()).toBe(0);
    expect(remaining(await lab.call("/v1/x", { token, body: '{"model":"m"}' }))).toBe("1");
  });

  test("is given back where the provider was never reached, and only there", async () => {
    const away = await limitedToken(2, "away");
    for (let round = 0; round < 4; round++)
      expect((await lab.call("/v1/x", { token: away.token, body: "{}" })).status).toBe(502);
    expect(await away.count()).toBe(0);

    const reached = await limitedToken(3);
    lab.upstream.answerNext([readBody(), fin()]);
    expect((await lab.call("/v1/x", { token: reached.token, body: "{}" })).status).toBe(502);
    expect(await reached.count()).toBe(1);

    const late = await limitedToken(3, "slow");
    lab.upstream.answerNext([readBody(), hold()]);
    expect((await lab.call("/v1/x", { token: late.token, body: "{}" })).status).toBe(504);
    expect(await late.count()).toBe(1);
  });

  test("is given back where the project has no key", async () => {
    const { token, count, project } = await limitedToken(2);
    const { json } = await lab.app.manage("GET", `/projects/${project.id}/keys`);
    await lab.app.manage("DELETE", `/projects/${project.id}/keys/${json[0].id}`);
    for (let round = 0; round < 4; round++) expect((await lab.call("/v1/x", { token })).status).toBe(503);
    expect(await count()).toBe(0);
  });
});

test("tokens without a limit are counted as well: the figure is right as soon as it is asked for", async () => {
  const project = await lab.app.newProject();
  const { token, id } = await lab.app.newToken(project.id);
  await Promise.all(Array.from({ length: 40 }, () => lab.call("/v1/models", { token })));
  await lab.call("/v1/models", { token, method: "TRACE" });
  const { json } = await lab.app.manage("GET", `/tokens/${id}`);
  expect(json.request_count).toBe(40);
  expect(Date.parse(json.last_used_at)).toBeGreaterThan(Date.now() - 60_000);
});

test("a token without a limit is counted as one with it: where the provider was reached, answer or not", async () => {
  const counted = async (provider: string) => {
    const project = await lab.app.newProject({ provider });
    const { token, id } = await lab.app.newToken(project.id);
    await lab.call("/v1/x", { token, body: "{}" });
    return (await lab.app.manage("GET", `/tokens/${id}`)).json.request_count;
  };
  lab.upstream.answerNext([readBody(), hold()]);
  expect(await counted("slow")).toBe(1);
  lab.upstream.answerNext([readBody(), fin()]);
  expect(await counted("lab")).toBe(1);
  expect(await counted("away")).toBe(0);
});

test("MAX_CONCURRENT_REQUESTS bounds what is under way; streams keep their place till their end", async () => {
  await using bounded = await openLab({ env: { MAX_CONCURRENT_REQUESTS: "3" } });
  bounded.upstream.answer([readBody(), hold()]);
  const running = Array.from({ length: 3 }, () => bounded.call("/v1/x", { body: "{}" }));
  const held = [];
  for (let n = 0; n < 3; n++) held.push(await bounded.upstream.nextRequest());
  expect((await bounded.call("/v1/x", { body: "{}" })).status).toBe(503);
  expect((await bounded.call("/v1/x", { token: "", body: "{}" })).status).toBe(503);
  expect((await bounded.call("/health", { token: "" })).status).toBe(200);
  for (const { connection } of held) connection.destroy();
  await Promise.all(running);
  bounded.upstream.answer(replySse(["data: 1\n\n"]));
  for (let n = 0; n < 5; n++) expect((await bounded.call("/v1/x", { body: "{}" })).status).toBe(200);
});
