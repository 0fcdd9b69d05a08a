import { expect, test } from "bun:test";
import { headerValue } from "../harness/http-message.ts";
import { replyJson } from "../harness/upstream-steps.ts";
import { type Lab, openLab } from "./lab.ts";

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

test("a client's own faults open nothing, and a threshold of 0 neither", async () => {
  await using lab = await openLab();
  lab.upstream.answer(replyJson({}, 400));
  for (let count = 0; count < 12; count++) expect(await codeOf(lab)).toBe(400);
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
