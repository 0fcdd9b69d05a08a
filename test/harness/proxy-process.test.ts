import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { startFakeUpstream } from "./fake-upstream.ts";
import { headerValues } from "./http-message.ts";
import { runCli, startProxy } from "./proxy-process.ts";

test("the server runs in an empty directory and passes a request on with the sealed key", async () => {
  await using upstream = await startFakeUpstream();
  await using proxy = await startProxy({ upstream: upstream.origin });
  const project = await proxy.newProject();
  const { token } = await proxy.newToken(project.id);

  const answer = await fetch(`${proxy.origin}/v1/models`, { headers: { authorization: `Bearer ${token}` } });

  expect(answer.status).toBe(200);
  const request = await upstream.nextRequest();
  expect(headerValues(request.headers, "authorization")).toEqual([`Bearer ${proxy.providerKey}`]);
  expect(readdirSync(proxy.workingDirectory)).toEqual([]);
  expect(proxy.openFiles()).toBeGreaterThan(3);
  expect(proxy.rssBytes()).toBeGreaterThan(10e6);
  expect(await proxy.stop()).toMatchObject({ code: 0, signal: null });
});

test("a server that does not start fails the test with what it said", async () => {
  const starting = startProxy({ upstream: "http://127.0.0.1:9", env: { LOG_LEVEL: "no-such-level" } });
  await expect(starting).rejects.toThrow(/The server ended with code \d+:\n.*no-such-level/s);
});

test("a command gives its code and both outputs", async () => {
  expect(await runCli(["version"])).toMatchObject({ code: 0, stderr: "" });
  const unknown = await runCli(["no-such-command"]);
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain("no-such-command");
});
