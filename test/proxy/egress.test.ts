import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startBlackHole } from "../harness/black-hole.ts";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue, headerValues } from "../harness/http-message.ts";
import { type NameServer, startNameServer } from "../harness/name-server.ts";
import { startProxy } from "../harness/proxy-process.ts";
import { exchange } from "../harness/raw-client.ts";
import { hold } from "../harness/upstream-steps.ts";
import { jsonOf, openLab, requestBytes } from "./lab.ts";

let names: NameServer;
beforeAll(async () => {
  names = await startNameServer();
});
afterAll(() => names[Symbol.dispose]());

const rest = 'allowed_methods: [GET, POST], allowed_endpoints: ["/*"], retries: {max: 1}';

/** A lab with one more provider, at this host and the port of the upstream, and calls to it. */
async function openNamed(host: string, more = "", path = "") {
  const upstream = await startFakeUpstream();
  const lab = await openLab({
    providers: `  named: {base_url: "http://${host}:${upstream.port}${path}", ${rest}${more}}\n`,
  });
  const project = await lab.app.newProject({ provider: "named" });
  const { token, id: tokenId } = await lab.app.newToken(project.id, { max_requests: 100 });
  return {
    lab,
    upstream,
    token,
    tokenId,
    call: (target = "/v1/models", body?: string) => lab.call(target, { token, ...(body && { body }) }),
    async [Symbol.asyncDispose]() {
      await lab[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const codeOf = (answer: Parameters<typeof jsonOf>[0]) => [answer.status, jsonOf(answer).error.code];

describe("addresses of a name are checked", () => {
  test.each([
    ["api.refused.example", "127.0.0.1", "", "set private: true for named"],
    ["app.internal", "127.0.0.1", ", private: false", "set private: true for named"],
    ["meta.example", "169.254.169.254", ", private: true", "look at the name service"],
    ["meta.internal", "169.254.169.254", "", "look at the name service"],
  ])("%s at %s%s is refused before a connection is made", async (host, address, more, advice) => {
    names.set(host, { addresses: [address] });
    await using named = await openNamed(host, more);
    const answer = await named.call();
    expect(codeOf(answer)).toEqual([502, "egress_blocked"]);
    expect(headerValue(answer.headers, "x-llm-proxy-error")).toBe("egress_blocked");
    expect(answer.body.text()).not.toContain(address);
    expect(answer.body.text()).not.toContain(host);
    expect(named.upstream.connections).toHaveLength(0);
    expect(await named.lab.records(1)).toMatchObject([{ outcome: "refused", error_code: "egress_blocked" }]);
    // It was not the provider's fault, nor did it cost the token anything.
    for (let n = 0; n < 15; n++) expect(codeOf(await named.call())).toEqual([502, "egress_blocked"]);
    await named.lab.app.stop();
    const line = named.lab.app
      .log()
      .split("\n")
      .find((each) => each.includes("could not be reached"));
    for (const part of [host, address, advice]) expect(line).toContain(part);
    expect(named.lab.app.log()).not.toContain(named.lab.app.providerKey);
  });

  test.each([
    ["gpu.example", ", private: true"],
    ["gpu.internal", ""],
    ["gpu", ""],
    ["GPU.Upper.internal", ""],
    ["gpu.dot.internal.", ""],
  ])("%s%s may be here, and is asked for by its name", async (host, more) => {
    names.set(host.toLowerCase().replace(/\.$/, ""), { addresses: ["127.0.0.1"] });
    await using named = await openNamed(host, more, "/base");
    expect((await named.call("/v1/models?x=1")).status).toBe(200);
    const [request] = named.upstream.requests;
    const name = host.toLowerCase().replace(/\.$/, "");
    expect([request?.target, headerValue(request?.headers ?? [], "host")]).toEqual([
      "/base/v1/models?x=1",
      `${name}:${named.upstream.port}`,
    ]);
  });

  test("of mixed addresses only those that may be are used", async () => {
    names.set("mixed.internal", { addresses: ["169.254.169.254", "127.0.0.1"] });
    await using named = await openNamed("mixed.internal");
    const startedMs = performance.now();
    expect((await named.call()).status).toBe(200);
    expect(performance.now() - startedMs).toBeLessThan(200);
  });

  test("what is refused gives the request back, and is seen once the name service is right", async () => {
    await using named = await openNamed("mended.example", ", private: true");
    names.set("mended.example", { addresses: ["169.254.169.254"], ttlS: 1 });
    expect(codeOf(await named.call())).toEqual([502, "egress_blocked"]);
    names.set("mended.example", { addresses: ["127.0.0.1"], ttlS: 1 });
    await Bun.sleep(1_100); // its time to live
    expect(codeOf(await named.call())).toEqual([502, "egress_blocked"]); // a new answer is asked for meanwhile
    const answer = await named.call();
    expect(answer.status).toBe(200);
    expect(headerValue(answer.headers, "x-llm-proxy-remaining-requests")).toBe("99");
  });

  test("a WebSocket is kept away as well, and finds the name where it may", async () => {
    for (const [host, status] of [
      ["ws.refused.example", 502],
      ["ws.internal", 101],
    ] as const) {
      names.set(host, { addresses: ["127.0.0.1"] });
      await using named = await openNamed(host);
      const key = "dGhlIHNhbXBsZSBub25jZQ==";
      const accept = (headers: readonly (readonly [string, string])[]) =>
        new Bun.CryptoHasher("sha1")
          .update(`${headerValue(headers, "sec-websocket-key")}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest("base64");
      named.upstream.answer(({ headers }) => [
        (link) =>
          link.write(
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(headers)}\r\n\r\n`,
          ),
        hold(),
      ]);
      const answer = await named.lab.call("/v1/realtime", {
        token: named.token,
        deadlineMs: 1_500,
        headers: [
          ["Connection", "Upgrade"],
          ["Upgrade", "websocket"],
          ["Sec-WebSocket-Version", "13"],
          ["Sec-WebSocket-Key", key],
        ],
      });
      expect([host, answer.status]).toEqual([host, status]);
      const [request] = named.upstream.requests;
      const asked = status === 101 ? `${host}:${named.upstream.port}` : undefined;
      expect(request && headerValue(request.headers, "host")).toBe(asked);
    }
  });
});

describe("several addresses and name services that fail (NET-104)", () => {
  test("an address that refuses makes way for the next at once", async () => {
    names.set("first-refuses.internal", { addresses: ["127.0.0.9", "127.0.0.1"] });
    names.set("first-refuses2.internal", { addresses: ["127.0.0.1", "127.0.0.9"] });
    for (const host of ["first-refuses.internal", "first-refuses2.internal"]) {
      await using named = await openNamed(host);
      const startedMs = performance.now();
      const answer = await named.call();
      expect([answer.status, headerValues(answer.headers, "x-llm-proxy-retries")]).toEqual([200, []]);
      expect(performance.now() - startedMs).toBeLessThan(1_000);
    }
  });

  test("one that drops everything does so too, within a second, and not again for the next request", async () => {
    await using named = await openNamed("black-hole.internal");
    using hole = await startBlackHole("127.0.0.8", named.upstream.port);
    names.set("black-hole.internal", { addresses: [hole.address, "127.0.0.1"] });
    for (const limitMs of [1_000, 150]) {
      const startedMs = performance.now();
      expect((await named.call()).status).toBe(200);
      expect(performance.now() - startedMs).toBeLessThan(limitMs);
    }
  });

  test("a new address is used once the old one has had its time, although connections to that are open", async () => {
    await using named = await openNamed("moves.internal");
    names.set("moves.internal", { addresses: ["127.0.0.1"], ttlS: 1 });
    expect((await named.call()).status).toBe(200);
    // The next server is at another address and the same port.
    const there = Bun.serve({
      hostname: "127.0.0.7",
      port: named.upstream.port,
      fetch: () => Response.json("new"),
    });
    names.set("moves.internal", { addresses: ["127.0.0.7"], ttlS: 1 });
    await Bun.sleep(1_100); // its time to live
    const seen: unknown[] = [];
    for (let n = 0; n < 3; n++) seen.push(jsonOf(await named.call()));
    expect(seen.at(-1)).toBe("new");
    await there.stop(true);
  });

  test("the old address closes while it is still in use: the request goes to the new one", async () => {
    await using named = await openNamed("closes.internal");
    names.set("closes.internal", { addresses: ["127.0.0.9"], ttlS: 1 });
    const old = Bun.serve({
      hostname: "127.0.0.9",
      port: named.upstream.port,
      fetch: () => Response.json("old"),
    });
    expect(jsonOf(await named.call())).toBe("old");
    await old.stop(true);
    names.set("closes.internal", { addresses: ["127.0.0.1"], ttlS: 1 });
    await Bun.sleep(1_100); // its time to live
    expect((await named.call()).status).toBe(200);
  });

  test("SERVFAIL and an unknown name are 502, and are forgotten after a second", async () => {
    for (const fault of ["SERVFAIL", "NXDOMAIN"] as const) {
      const host = `${fault.toLowerCase()}.internal`;
      names.set(host, fault);
      await using named = await openNamed(host);
      expect(codeOf(await named.call())).toEqual([502, "bad_gateway"]);
      names.set(host, { addresses: ["127.0.0.1"] });
      await Bun.sleep(1_050); // a failure is kept for a second
      expect((await named.call()).status).toBe(200);
    }
  });

  test("a silent name service is 504 within the limit; other hosts do not wait, nor do other names", async () => {
    names.set("silent.internal", "silence");
    names.set("speaks.internal", { addresses: ["127.0.0.1"] });
    await using named = await openNamed("silent.internal", ", timeouts: {response_header: 300ms}");
    await using other = await openNamed("speaks.internal");
    const startedMs = performance.now();
    const late = Array.from({ length: 10 }, () => named.call("/v1/chat/completions", "{}"));
    for (const { call } of [named.lab, other]) expect((await call("/v1/models")).status).toBe(200);
    expect(performance.now() - startedMs).toBeLessThan(250);
    for (const answer of await Promise.all(late)) expect(codeOf(answer)).toEqual([504, "timeout"]);
    // Nothing was sent, so that it cost the token nothing.
    expect((await named.lab.app.manage("GET", `/tokens/${named.tokenId}`)).json.request_count).toBe(0);
    expect(performance.now() - startedMs).toBeWithin(290, 1_300);
  });

  test("without a limit it is 504 as well, after about five seconds", async () => {
    names.set("silent-for-ever.internal", "silence");
    await using named = await openNamed("silent-for-ever.internal");
    const startedMs = performance.now();
    const answer = await named.lab.call("/v1/models", { token: named.token, deadlineMs: 8_000 });
    expect(codeOf(answer)).toEqual([504, "timeout"]);
    expect(performance.now() - startedMs).toBeWithin(1_000, 6_500);
  }, 10_000);

  test("a hundred requests at once are one question", async () => {
    names.set("busy.internal", { addresses: ["127.0.0.1"] });
    await using named = await openNamed("busy.internal");
    const answers = await Promise.all(Array.from({ length: 100 }, () => named.call()));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(100);
    expect(names.questions.filter((name) => name === "busy.internal")).toHaveLength(1);
  });
});

test("nothing in front of or behind the target gets a request away from the host and path of base_url", async () => {
  names.set("base.internal", { addresses: ["127.0.0.1"] });
  await using named = await openNamed("base.internal", "", "/base");
  const hostile = [
    "//evil.example/v1",
    "///evil.example",
    "/\\\\evil.example/v1",
    "/@evil.example",
    "@evil.example/",
    "/:80@evil.example/",
    "/../../admin",
    "/%2e%2e/admin",
    "/..%2fadmin",
    "/%2f%2fevil.example",
    "/.%2e/admin",
    "/v1/..;/admin",
    "/\t/evil.example",
    "/v1/models?u=http://evil.example/#@evil.example",
    "http://evil.example/v1/models",
    "/v1/\x00",
    "/v1/%00",
    "/v1/%0d%0aHost:%20evil.example",
  ];
  for (const target of hostile) await named.call(target).catch(() => {});
  expect(named.upstream.requests.length).toBeGreaterThan(3);
  for (const { target, headers } of named.upstream.requests) {
    expect(target).toStartWith("/base/");
    expect(headerValue(headers, "host")).toBe(`base.internal:${named.upstream.port}`);
  }
});

test("the binary finds names as the server in this process does", async () => {
  await using upstream = await startFakeUpstream();
  await using proxy = await startProxy({ upstream: `http://lab.localhost:${upstream.port}` });
  const { token } = await proxy.newToken((await proxy.newProject()).id);
  for (let n = 0; n < 3; n++)
    expect((await exchange(proxy.port, requestBytes("/v1/models", { token }))).status).toBe(200);
  const hosts = upstream.requests.map(({ headers }) => headerValue(headers, "host"));
  expect(hosts).toEqual(Array.from({ length: 3 }, () => `lab.localhost:${upstream.port}`));
  expect(upstream.connections).toHaveLength(1);
});
