import { expect, test } from "bun:test";
import { freePort } from "../harness/free-port.ts";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { fin, hold, pause, readBody, replyJson } from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes } from "./lab.ts";

const gauge = async (lab: Lab) =>
  /llm_proxy_circuit_open\{provider="lab"\} (\d)/.exec(
    await (await fetch(`${lab.app.origin}/metrics/prometheus`)).text(),
  )?.[1];
const codeOf = async (lab: Lab, token?: string) => {
  const answer = await lab.call("/v1/x", { body: "{}", ...(token !== undefined && { token }) });
  return headerValue(answer.headers, "x-llm-proxy-error") ?? answer.status;
};

test("a host that keeps failing is left alone, costs no request of a limit, and serves again after one try", async () => {
  await using lab = await openLab({ env: { CIRCUIT_BREAKER_COOLDOWN: "300ms" } });
  const { token, id } = await lab.app.newToken(lab.project.id, { max_requests: 100 });
  expect(await gauge(lab)).toBe("0");
  lab.upstream.answer(replyJson({}, 503));
  for (let count = 0; count < 5; count++) expect(await codeOf(lab, token)).toBe(503);

  const refused = await lab.call("/v1/x", { token, body: "{}" });
  expect([refused.status, headerValue(refused.headers, "x-llm-proxy-error")]).toEqual([503, "circuit_open"]);
  expect(headerValue(refused.headers, "retry-after")).toBe("1");
  expect(lab.upstream.requests.length).toBe(5);
  expect((await lab.app.manage("GET", `/tokens/${id}`)).json.request_count).toBe(5);
  expect(await gauge(lab)).toBe("1");

  lab.upstream.answer(replyJson({}));
  while ((await codeOf(lab, token)) === "circuit_open") await Bun.sleep(20);
  expect(await gauge(lab)).toBe("0");
  expect(await codeOf(lab, token)).toBe(200);
});

test.each([400, 401, 403, 404, 413, 422, 429])("a client's own %p opens nothing", async (status) => {
  await using lab = await openLab();
  lab.upstream.answer(replyJson({}, status));
  for (let count = 0; count < 12; count++) expect(await codeOf(lab)).toBe(status);
});

test("clients that hang up open nothing", async () => {
  await using lab = await openLab();
  lab.upstream.answer([readBody(), hold()]);
  for (let count = 0; count < 6; count++) {
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/x", { method: "POST", token: lab.token, body: "{}" }));
    const { connection } = await lab.upstream.nextRequest();
    client.close();
    await connection.closed();
  }
  await lab.records(6);
  lab.upstream.answer(replyJson({}));
  expect(await codeOf(lab)).toBe(200);
});

const single = (baseUrl: string, more: string) => `  single:
    base_url: ${baseUrl}
    allowed_methods: [POST]
    allowed_endpoints: ["/*"]
    ${more}
`;

test.each([
  ["cannot be reached", "", "bad_gateway"],
  ["breaks the connection unanswered", [readBody(), pause(5), fin()], "bad_gateway"],
  ["does not answer in time", [readBody(), hold()], "timeout"],
] as const)("a host that %s opens it", async (_, steps, code) => {
  const url = steps === "" ? `http://127.0.0.1:${await freePort()}` : "$UPSTREAM";
  const providers = single(url, "retries: {max: 0}\n    timeouts: {response_header: 60ms}");
  await using lab = await openLab({ providers, env: { CIRCUIT_BREAKER_THRESHOLD: "3" } });
  if (steps !== "") lab.upstream.answer(steps);
  const { token } = await lab.app.newToken((await lab.app.newProject({ provider: "single" })).id);
  for (let count = 0; count < 3; count++) expect(await codeOf(lab, token)).toBe(code);
  expect(await codeOf(lab, token)).toBe("circuit_open");
});

test("half-open, one of many requests tries; the others are told to come again", async () => {
  const env = { CIRCUIT_BREAKER_THRESHOLD: "1", CIRCUIT_BREAKER_COOLDOWN: "200ms" };
  await using lab = await openLab({ env });
  lab.upstream.answer(replyJson({}, 503));
  expect(await codeOf(lab)).toBe(503);
  await Bun.sleep(220);
  lab.upstream.answer([readBody(), pause(100), ...replyJson({})]);
  const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(lab)));
  expect(codes.filter((code) => code === 200).length).toBe(1);
  expect(codes.filter((code) => code === "circuit_open").length).toBe(9);
  expect(lab.upstream.requests.length).toBe(2);
  expect(await codeOf(lab)).toBe(200);
});

test("a threshold of 0 switches it off", async () => {
  await using off = await openLab({ env: { CIRCUIT_BREAKER_THRESHOLD: "0" } });
  off.upstream.answer(replyJson({}, 503));
  for (let count = 0; count < 12; count++) expect(await codeOf(off)).toBe(503);
});

test("a request counts once, however many attempts it takes: one that ends well opens nothing", async () => {
  await using lab = await openLab({
    env: { CIRCUIT_BREAKER_THRESHOLD: "1" },
    providers: `  patient:
    base_url: $UPSTREAM
    allowed_methods: [POST]
    allowed_endpoints: ["/*"]
    retries: {max: 2, on_status: [503]}
`,
  });
  const project = await lab.app.newProject({ provider: "patient" });
  const { token, id } = await lab.app.newToken(project.id, { max_requests: 100 });
  const busy = replyJson({}, 503, [["Retry-After-Ms", "1"]]);
  lab.upstream.answerNext(busy);
  lab.upstream.answerNext(busy);
  expect(await codeOf(lab, token)).toBe(200);
  lab.upstream.answer(busy);
  expect(await codeOf(lab, token)).toBe(503);
  expect(await codeOf(lab, token)).toBe("circuit_open");
  expect((await lab.app.manage("GET", `/tokens/${id}`)).json.request_count).toBe(2);
});
