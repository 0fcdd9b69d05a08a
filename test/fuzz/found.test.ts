import { describe, expect, test } from "bun:test";
import { headerValues } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { head, pause, readBody, reply, write } from "../harness/upstream-steps.ts";
import { openLab, requestBytes } from "../proxy/lab.ts";

// What the fuzz has found, each with the smallest case that showed it.

test("an answer with an empty Content-Type does not get a second one", async () => {
  await using lab = await openLab();
  lab.upstream.answer(reply(200, [["Content-Type", ""]], "x"));
  const answer = await lab.call("/v1/models");
  expect([answer.status, answer.body.text(), headerValues(answer.headers, "content-type")]).toEqual([
    200,
    "x",
    [""],
  ]);
});

describe("several slashes at the start of a path count as one", () => {
  test("for the check as well, so that nothing is sent that was not allowed", async () => {
    await using lab = await openLab({
      providers: `  starred: {base_url: $UPSTREAM, allowed_methods: [GET], allowed_endpoints: ["/*/models$"]}\n`,
    });
    const project = await lab.app.newProject({ provider: "starred" });
    const { token } = await lab.app.newToken(project.id);
    expect((await lab.call("/v1/models", { token })).status).toBe(200);
    expect((await lab.call("//models", { token })).status).toBe(404);
    expect((await lab.call("/starred//models", { token })).status).toBe(404);
    expect(lab.upstream.requests.map(({ target }) => target)).toEqual(["/v1/models"]);
  });

  test.each(["//v1/x", "///v1/x", "/lab//v1/x"])("%s arrives as /v1/x", async (target) => {
    await using lab = await openLab();
    expect((await lab.call(target)).status).toBe(200);
    expect(lab.upstream.requests.map((request) => request.target)).toEqual(["/v1/x"]);
  });
});

// The evidence for docs/limits.md, as in test/proxy/runtime-limits.test.ts.
describe("what the runtime does not allow", () => {
  test.each(["GET", "HEAD"])(
    "a body with %s does not arrive, and is not taken for a request",
    async (method) => {
      await using lab = await openLab();
      using client = await connectRaw(lab.app.port);
      const get = (target: string) => requestBytes(target, { token: lab.token });
      await client.send(requestBytes("/v1/outer", { method, token: lab.token, body: get("/v1/inner") }));
      expect((await client.response({ method })).status).toBe(200);
      await client.send(get("/v1/next"));
      expect((await client.response()).status).toBe(200);
      expect(lab.upstream.requests.map(({ target, body }) => [target, body.length])).toEqual([
        ["/v1/outer", 0],
        ["/v1/next", 0],
      ]);
    },
  );

  test("a body with 205 does not arrive", async () => {
    await using lab = await openLab();
    lab.upstream.answerNext(reply(205, [["Content-Type", "text/plain"]], "x"));
    const answer = await lab.call("/v1/models");
    expect([answer.status, answer.complete, answer.body.length]).toEqual([205, true, 0]);
  });

  test.each([204, 304])("what a provider sends after a head of %d is the next answer", async (status) => {
    expect(await answerAfterMore("POST", status)).toBe("more");
  });
});

test("what a provider sends after the head of an answer to HEAD is nobody's", async () => {
  expect(await answerAfterMore("HEAD", 200)).toBe("mine");
});

/** What the second request gets after the first one's head was followed by what looks like an answer. */
async function answerAfterMore(method: string, status: number): Promise<string> {
  await using lab = await openLab();
  const more = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nmore";
  const length = ["Content-Length", String(more.length)] as const;
  lab.upstream.answerNext([readBody(), write(head(status, [length])), pause(20), write(more)]);
  await lab.call("/v1/models", { method });
  lab.upstream.answerNext(reply(200, [["Content-Type", "text/plain"]], "mine"));
  return (await lab.call("/v1/models")).body.text();
}
