import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { findSecrets, findSecretsInDirectory, newCanary, type Sighting } from "../harness/canary.ts";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { freePort } from "../harness/free-port.ts";
import { headerValue } from "../harness/http-message.ts";
import { type ProxyProcess, runCli, startProxy } from "../harness/proxy-process.ts";
import { connectRaw, exchange } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import type { ReceivedRequest, Step } from "../harness/upstream-connection.ts";
import {
  chunk,
  fin,
  hold,
  pause,
  readBody,
  replyJson,
  reset,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { type LabRequest, requestBytes } from "../proxy/lab.ts";

/** What the provider does, by the path it is asked for. */
function answerTo({ target, headers }: ReceivedRequest): readonly Step[] {
  const said = headerValue(headers, "authorization") ?? headerValue(headers, "x-api-key") ?? "";
  if (target.startsWith("/v1/echo"))
    return replyJson({ error: { message: `Incorrect API key provided: ${said}`, url: target } }, 401, [
      ["x-echo", said],
    ]);
  if (target.startsWith("/v1/cut"))
    return [readBody(), write(sseHead(), chunk("data: 1\n\n")), pause(20), reset()];
  if (target.startsWith("/v1/close")) return [readBody(), fin()];
  if (target.startsWith("/v1/hold")) return [readBody(), hold()];
  return replyJson({ ok: true });
}

/** Calls every kind of ending; gives all answers but those in which the provider itself tells the key. */
async function proxiedTraffic(proxy: ProxyProcess, token: string): Promise<string[]> {
  const send = async (target: string, request: LabRequest = {}) => {
    const answer = await exchange(proxy.port, requestBytes(target, { token, ...request }), {
      deadlineMs: 5_000,
    });
    return `${answer.headBytes.toString("latin1")}${answer.body.text()}`;
  };
  const post = { method: "POST", body: '{"model":"m"}' };
  const told = [
    await send("/v1/models"),
    await send("/v1/close", post),
    await send("/v1/cut", post),
    await send("/v1/hold", post),
    await send("/v1/..%2fx"),
    await send(`/v1/models/${token}`),
    await send(`/v1/models/${token}`, { token: "" }),
    await send("/v1/models", { token: `${token}x` }),
    await send("/v1/models", { token: `${token.slice(0, -1)}~` }),
    await send("/v1/models", { headers: [["x-api-key", proxy.managementToken]] }),
    await send("/v1/models", { token: proxy.managementToken }),
    await send(`/v1/models?key=${token}`, { token: "" }),
    await send(`/v1/models?key=${token}`, { headers: [["x-api-key", "sk-other"]] }),
    await send("/v1/models", { method: "OPTIONS", headers: [["Origin", "https://page.example"]] }),
  ];
  await send("/v1/echo", post);
  await send("/v1/echo?a=1");
  using client = await connectRaw(proxy.port);
  await client.send(requestBytes("/v1/hold", { token, ...post }));
  client.close();
  return told;
}

test("no secret shows after its creation: not in answers, output, logs, metrics, files or the database (SEC-104, AUT-104)", async () => {
  await using upstream = await startFakeUpstream({ answer: answerTo });
  using logs = temporaryDirectory();
  const encryptionKey = randomBytes(32).toString("base64");
  const logFile = join(logs.path, "log.jsonl");
  const limits = `allowed_methods: [GET, POST], allowed_endpoints: ["/*"], timeouts: {response_header: 150ms}`;
  await using proxy = await startProxy({
    upstream: upstream.origin,
    providers: `  by-query: {base_url: ${upstream.origin}, auth: "query:key", ${limits}}
  by-header: {base_url: ${upstream.origin}, dialect: anthropic, ${limits}}
  away: {base_url: "http://127.0.0.1:${await freePort()}", auth: "query:key", ${limits}}
  no-tls: {base_url: "https://127.0.0.1:${upstream.port}", auth: "query:key", ${limits}}
`,
    env: { ENCRYPTION_KEY: encryptionKey, LOG_LEVEL: "debug", LOG_FILE: logFile },
  });
  const secrets = [proxy.providerKey, proxy.managementToken, encryptionKey];
  const sightings: Sighting[] = [];
  const look = (text: string, where: string, told: readonly string[] = []) => {
    sightings.push(
      ...findSecrets(
        text,
        secrets.filter((secret) => !told.includes(secret)),
        where,
      ),
    );
  };
  const manage = async (method: string, path: string, body?: unknown, told?: readonly string[]) => {
    const answer = await proxy.manage(method, path, body);
    look(JSON.stringify([...answer.headers]) + answer.text, `${method} ${path}`, told);
    return answer.json;
  };
  const cli = async (args: readonly string[], options: { told?: readonly string[]; stdin?: string } = {}) => {
    const env = { ...proxy.env, API_CONFIG_PATH: proxy.env["API_CONFIG_PATH"] ?? "" };
    const { code, stdout, stderr } = await runCli(args, { env, stdin: options.stdin ?? "" });
    look(stdout + stderr, `llm-proxy ${args.join(" ")}`, options.told);
    return { code, stdout };
  };

  // the data plane, for each way in which a provider is called
  for (const provider of ["lab", "by-query", "by-header", "away", "no-tls"]) {
    const api_key = newCanary(provider);
    secrets.push(api_key);
    const project = await manage("POST", "/projects", { name: `p-${provider}`, provider, api_key });
    const { token, id } = await proxy.newToken(project.id);
    secrets.push(token);
    for (const [n, text] of (await proxiedTraffic(proxy, token)).entries())
      look(text, `answer ${n} of ${provider}`);

    const added = newCanary("added");
    secrets.push(added);
    const key = await manage("POST", `/projects/${project.id}/keys`, { api_key: added, weight: 2 });
    await manage("GET", `/projects/${project.id}/keys`);
    const replaced = newCanary("replaced");
    secrets.push(replaced);
    await manage("PATCH", `/projects/${project.id}`, { api_key: replaced });
    await manage("POST", "/projects", { name: `p-${provider}`, provider, api_key: replaced });
    await manage("PATCH", `/projects/${project.id}`, { api_key: `${replaced} with a blank` });
    await manage("POST", `/projects/${project.id}/keys`, { api_key: added, weight: 0, unknown: token });
    await manage("GET", `/projects/${project.id}`);
    await manage("GET", `/tokens/${id}`);
    await manage("PATCH", `/tokens/${id}`, { max_requests: 3 });
    await manage("GET", `/tokens/${token}`);
    await manage("DELETE", `/tokens/${token}`);
    await manage("GET", `/projects/${token}`);
    await manage("GET", `/nothing/${token}`);
    await manage("DELETE", `/projects/${project.id}/keys/${key.id}`);
    await manage("DELETE", `/tokens/${id}`);
  }
  for (const path of ["/projects", "/tokens", "/audit?page_size=100", "/requests?page_size=100", "/nothing"])
    await manage("GET", path);

  // the command line, by the API and on the database
  const fromCli = newCanary("cli");
  secrets.push(fromCli);
  const made = await cli(
    ["manage", "project", "create", "--name", "cli", "--provider", "lab", "--api-key", "-", "--json"],
    { stdin: fromCli },
  );
  expect(made.code).toBe(0);
  const { id: cliProject } = JSON.parse(made.stdout);
  const env = ["manage", "token", "create", "--project-id", cliProject, "--json"];
  const token: string = JSON.parse((await runCli(env, { env: proxy.env })).stdout).token;
  secrets.push(token);
  for (const offline of [[], ["--offline"]]) {
    for (const args of [
      ["project", "list"],
      ["project", "show", cliProject],
      ["project", "list", "--json"],
      ["token", "list"],
      ["token", "list", "--json"],
      ["token", "show", token],
      ["keys", "list", "--project-id", cliProject],
      ["usage", "list"],
      ["audit", "list", "--json"],
    ]) {
      await cli(["manage", ...args, ...offline]);
    }
  }
  for (const args of [
    ["config", "show"],
    ["config", "show", "--json"],
    ["config", "check"],
    ["config", "providers"],
    ["doctor"],
    ["version"],
  ])
    await cli(args);

  // what can be read without a credential, and metrics
  for (const path of [
    "/metrics",
    "/metrics/prometheus",
    "/health",
    "/ready",
    "/docs",
    "/docs/json",
    "/manage/projects",
  ])
    look(await (await fetch(proxy.origin + path)).text(), path);

  const { code, stdout, stderr } = await proxy.stop();
  expect(code).toBe(0);
  look(stdout, "stdout");
  look(stderr, "stderr");
  for (const directory of [proxy.dataDirectory, proxy.workingDirectory, logs.path])
    sightings.push(...findSecretsInDirectory(directory, secrets));
  expect(readdirSync(proxy.workingDirectory)).toEqual([]);
  expect(findSecretsInDirectory(proxy.dataDirectory, ["p-by-query"]).length).toBeGreaterThan(0);
  expect(upstream.requests.length).toBeGreaterThan(20);
  expect(sightings).toEqual([]);
}, 60_000);
