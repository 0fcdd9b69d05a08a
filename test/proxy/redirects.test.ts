import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue } from "../harness/http-message.ts";
import { reply } from "../harness/upstream-steps.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
let thief: FakeUpstream;
let token = "";
beforeAll(async () => {
  thief = await startFakeUpstream();
  lab = await openLab({
    providers: `  keyed: {base_url: "$UPSTREAM/base", auth: x-api-key, allowed_methods: [GET, POST, PUT], allowed_endpoints: ["/*"]}\n`,
  });
  const project = await lab.app.newProject({ provider: "keyed" });
  ({ token } = await lab.app.newToken(project.id));
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await thief[Symbol.asyncDispose]();
});

describe.each([300, 301, 302, 303, 307, 308])("%d is handed over, never followed (HTP-101)", (status) => {
  const locations: [string, () => string][] = [
    ["another origin", () => `${thief.origin}/steal`],
    ["the same host on another port", () => `http://127.0.0.1:${thief.port}/base/v1/models`],
    ["another name of it", () => `http://localhost:${thief.port}/steal`],
    ["no scheme", () => `//127.0.0.1:${thief.port}/steal`],
    ["the provider itself", () => `${lab.upstream.origin}/base/v1/elsewhere`],
    ["a relative one", () => "../elsewhere?x=1#y"],
    ["a path", () => "/manage/projects"],
    ["user-info", () => `http://user:pass@127.0.0.1:${thief.port}/steal`],
    ["no address at all", () => "http://[broken"],
    ["another scheme", () => "file:///etc/passwd"],
  ];
  test.each(locations)("%s", async (_, location) => {
    for (const method of ["GET", "POST", "PUT"]) {
      const before = lab.upstream.requests.length;
      lab.upstream.answerNext(reply(status, [["Location", location()]], "moved"));
      const body = method === "GET" ? {} : { body: "{}" };
      const answer = await lab.call("/v1/models", { token, method, ...body });
      expect([answer.status, headerValue(answer.headers, "location"), answer.body.text()]).toEqual([
        status,
        location(),
        "moved",
      ]);
      expect(lab.upstream.requests).toHaveLength(before + 1);
      expect(lab.upstream.requests.at(-1)?.method).toBe(method);
    }
  });

  test("a chain of 30 is walked by nobody but the client", async () => {
    let target = "/v1/hop/0";
    const before = lab.upstream.requests.length;
    for (let hop = 1; hop <= 30; hop++) {
      lab.upstream.answerNext(reply(status, [["Location", `/v1/hop/${hop}`]], ""));
      const answer = await lab.call(target, { token });
      expect([answer.status, lab.upstream.requests.length]).toEqual([status, before + hop]);
      target = headerValue(answer.headers, "location") ?? "";
    }
    expect(target).toBe("/v1/hop/30");
  });

  afterAll(() => {
    expect(thief.connections).toHaveLength(0);
  });
});
