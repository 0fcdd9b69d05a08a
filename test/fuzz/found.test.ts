import { describe, expect, test } from "bun:test";
import { headerValues } from "../harness/http-message.ts";
import { reply } from "../harness/upstream-steps.ts";
import { openLab } from "../proxy/lab.ts";

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
