import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw, exchange } from "../harness/raw-client.ts";
import { jsonOf, type LabRequest, requestBytes } from "./lab.ts";
import { handshake, keyed, openSocketLab, type SocketLab } from "./socket-lab.ts";

let lab: SocketLab;
beforeAll(async () => {
  lab = await openSocketLab({
    providers: `  keyed:
    base_url: $UPSTREAM/base/v1
    auth: x-api-key
    allowed_methods: [GET]
    allowed_endpoints: [/v1/realtime]
    allowed_origins: [https://app.example]
  query:
    base_url: $UPSTREAM
    auth: query:key
    allowed_methods: [GET]
    allowed_endpoints: ["/*"]
  checked:
    base_url: $UPSTREAM
    allowed_methods: [GET]
    allowed_endpoints: ["/*"]
    param_whitelist: {model: [gpt-realtime]}
  posting:
    base_url: $UPSTREAM
    allowed_methods: [POST]
    allowed_endpoints: ["/*"]
  hurried:
    base_url: $UPSTREAM
    allowed_methods: [GET]
    allowed_endpoints: ["/*"]
    timeouts: {response_header: 100ms}
  nowhere:
    base_url: http://127.0.0.1:1
    allowed_methods: [GET]
    allowed_endpoints: ["/*"]
`,
  });
});
afterAll(() => lab[Symbol.asyncDispose]());
afterEach(() => {
  lab.upstream.refuseWith(undefined);
  lab.upstream.choose(undefined);
});

/** Asks for a WebSocket by hand, where the answer is an HTTP one. */
function ask(target: string, request: LabRequest = {}) {
  const headers = [...handshake, ...(request.headers ?? [])];
  return exchange(lab.app.port, requestBytes(target, { token: lab.token, ...request, headers }));
}

const errorOf = (answer: Awaited<ReturnType<typeof exchange>>) =>
  headerValue(answer.headers, "x-llm-proxy-error");

describe("the token comes in and the provider's key goes out (HTP-110)", () => {
  interface Row {
    readonly provider: string;
    readonly as: (token: string) => Bun.WebSocketOptions & { readonly query?: string };
    /** The provider picks the subprotocol that begins so. */
    readonly picks?: string;
    /** The provider's key is written as KEY, the token as TOKEN. */
    readonly sees: Record<string, string | null>;
    readonly client: string;
  }
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const rows: Record<string, Row> = {
    "a header": {
      provider: "lab",
      as: (token) => ({ headers: bearer(token) }),
      sees: { authorization: "Bearer KEY", "sec-websocket-protocol": null },
      client: "",
    },
    "a header beside subprotocols": {
      provider: "lab",
      as: (token) => ({ headers: bearer(token), protocols: ["realtime", "openai-beta.realtime-v1"] }),
      sees: { authorization: "Bearer KEY", "sec-websocket-protocol": "realtime, openai-beta.realtime-v1" },
      client: "realtime",
    },
    "a subprotocol": {
      provider: "lab",
      as: (token) => ({ protocols: ["realtime", keyed(token), "openai-beta.realtime-v1"] }),
      sees: {
        authorization: null,
        "sec-websocket-protocol": `realtime, openai-beta.realtime-v1, ${keyed("KEY")}`,
      },
      client: "realtime",
    },
    "a subprotocol that the provider chooses": {
      provider: "lab",
      as: (token) => ({ protocols: ["realtime", keyed(token)] }),
      picks: "openai-insecure",
      sees: { authorization: null, "sec-websocket-protocol": `realtime, ${keyed("KEY")}` },
      client: keyed("TOKEN"),
    },
    "a subprotocol for a provider with a header of its own": {
      provider: "keyed",
      as: (token) => ({ protocols: ["realtime", keyed(token)] }),
      sees: { "x-api-key": "KEY", authorization: null, "sec-websocket-protocol": "realtime" },
      client: "realtime",
    },
    "no other subprotocol for such a provider": {
      provider: "keyed",
      as: (token) => ({ protocols: [keyed(token)] }),
      sees: { "x-api-key": "KEY", authorization: null, "sec-websocket-protocol": null },
      client: keyed("TOKEN"),
    },
    "the query": {
      provider: "lab",
      as: (token) => ({ query: `?model=m&key=${token}` }),
      sees: { authorization: "Bearer KEY" },
      client: "",
    },
    "a header and a subprotocol that agree": {
      provider: "lab",
      as: (token) => ({ headers: bearer(token), protocols: ["realtime", keyed(token)] }),
      sees: { authorization: null, "sec-websocket-protocol": `realtime, ${keyed("KEY")}` },
      client: "realtime",
    },
  };
  test.each(Object.entries(rows))("as %s", async (_, row) => {
    const { token } = await lab.tokenOf(row.provider);
    const { picks } = row;
    if (picks !== undefined) lab.upstream.choose((offered) => offered.find((each) => each.startsWith(picks)));
    const { query = "?model=m", ...options } = row.as(token);
    const { client } = await lab.pair(`/v1/realtime${query}`, options);
    const { target, headers } = lab.upstream.handshakes.at(-1)!;
    const hidden = (text: string | null) =>
      text?.replaceAll(lab.app.providerKey, "KEY").replaceAll(token, "TOKEN") ?? null;
    const seen = Object.fromEntries(Object.keys(row.sees).map((name) => [name, hidden(headers.get(name))]));
    expect(seen).toEqual(row.sees);
    expect(hidden(client.socket.protocol)).toBe(row.client);
    expect(target).toBe(row.provider === "keyed" ? "/base/v1/realtime?model=m" : "/v1/realtime?model=m");
    client.socket.close();
  });

  test("in the query of a provider that takes it there", async () => {
    const { token } = await lab.tokenOf("query");
    const options = { headers: bearer(token) };
    const { client } = await lab.pair("/v1/realtime?model=m", options);
    expect(lab.upstream.handshakes.at(-1)?.target).toBe(`/v1/realtime?model=m&key=${lab.app.providerKey}`);
    client.socket.close();
  });

  test("a handshake that the provider refuses leaves no key in the log, though the runtime tells the URL", async () => {
    await using own = await openSocketLab({
      providers: `  query: {base_url: $UPSTREAM, auth: query:key, allowed_methods: [GET], allowed_endpoints: ["/*"]}\n`,
    });
    const project = await own.app.newProject({ provider: "query" });
    const { token } = await own.app.newToken(project.id);
    own.upstream.refuseWith(() => new Response("no", { status: 401 }));
    await exchange(own.app.port, requestBytes("/v1/realtime", { token, headers: handshake }));
    await own.app.stop();
    expect(own.upstream.handshakes.at(-1)?.target).toContain(own.app.providerKey);
    expect(own.app.log()).toContain("the handshake of the WebSocket was refused with 401");
    expect(own.app.log()).not.toContain(own.app.providerKey);
  });

  test("the client is not shown the key, whatever the provider chooses, and gets our ids", async () => {
    lab.upstream.choose((offered) => offered.find((each) => each.startsWith("openai-insecure")));
    const { token } = await lab.tokenOf("lab");
    using client = await connectRaw(lab.app.port);
    const offer: [string, string][] = [["Sec-WebSocket-Protocol", keyed(token)]];
    await client.send(requestBytes("/v1/realtime", { headers: [...handshake, ...offer], token: "" }));
    await client.until("\r\n\r\n");
    const head = Buffer.concat(client.arrivals.map(({ bytes }) => bytes)).toString();
    expect(head).toStartWith("HTTP/1.1 101 ");
    expect(head).toContain(`Sec-WebSocket-Protocol: ${keyed(token)}\r\n`);
    expect(head).toMatch(/\r\nx-llm-proxy-request-id: .{36}\r\n/i);
    expect(head).not.toContain(lab.app.providerKey);
  });

  test("headers of the client go on, those of its connection and of its browser do not", async () => {
    const headers = {
      authorization: `Bearer ${lab.token}`,
      "openai-safety-identifier": "who",
      "user-agent": "mine/1",
      cookie: "a=b",
      origin: "https://app.example",
    };
    const { client } = await lab.pair("/v1/realtime", { headers });
    const seen = lab.upstream.handshakes.at(-1)!.headers;
    const names = ["openai-safety-identifier", "user-agent", "cookie", "origin", "x-proxy"];
    expect(names.map((name) => seen.get(name))).toEqual(["who", "mine/1", null, null, "llm-proxy"]);
    client.socket.close();
  });
});

describe("a refusal before the upgrade is an HTTP answer in the dialect, and the provider hears nothing", () => {
  const other = `sk-wt-${"A".repeat(43)}`;
  const cases: [string, number, string, () => Promise<[string, LabRequest]>][] = [
    ["no token", 401, "invalid_token", async () => ["/v1/realtime", { token: "" }]],
    [
      "two credentials",
      400,
      "ambiguous_credentials",
      async () => ["/v1/realtime", { headers: [["Sec-WebSocket-Protocol", `realtime, ${keyed(other)}`]] }],
    ],
    [
      "a revoked token",
      401,
      "token_inactive",
      async () => {
        const { token, id } = await lab.tokenOf("lab");
        await lab.app.manage("DELETE", `/tokens/${id}`);
        return ["/v1/realtime", { token: "", headers: [["Sec-WebSocket-Protocol", keyed(token)]] }];
      },
    ],
    [
      "a path that is not allowed",
      404,
      "endpoint_not_found",
      async () => ["/v1/other", { token: (await lab.tokenOf("keyed")).token }],
    ],
    [
      "a method that is not allowed",
      405,
      "method_not_allowed",
      async () => ["/v1/realtime", { token: (await lab.tokenOf("posting")).token }],
    ],
    [
      "an origin that is not allowed",
      403,
      "origin_not_allowed",
      async () => [
        "/v1/realtime",
        { token: (await lab.tokenOf("keyed")).token, headers: [["Origin", "https://evil.example"]] },
      ],
    ],
    [
      "a provider whose parameters are checked",
      400,
      "upgrade_refused",
      async () => ["/v1/realtime", { token: (await lab.tokenOf("checked")).token }],
    ],
  ];
  test.each(cases)("%s: %i %s", async (_, status, code, prepare) => {
    const [target, request] = await prepare();
    const before = lab.upstream.handshakes.length;
    const answer = await ask(target, request);
    expect([answer.status, errorOf(answer)]).toEqual([status, code]);
    expect(jsonOf(answer).error.code).toBe(code);
    expect(lab.upstream.handshakes).toHaveLength(before);
  });

  test.each([
    ["another version", "Sec-WebSocket-Version", "8"],
    ["a key that is none", "Sec-WebSocket-Key", "short"],
    ["no Connection: Upgrade", "Connection", "keep-alive"],
  ])("a handshake with %s is 400 upgrade_refused and costs nothing", async (_, name, value) => {
    const { token } = await lab.tokenOf("lab", { max_requests: 1 });
    const headers = handshake.map(([each, text]): [string, string] => [each, each === name ? value : text]);
    const answer = await exchange(lab.app.port, requestBytes("/v1/realtime", { token, headers }));
    expect([answer.status, errorOf(answer)]).toEqual([400, "upgrade_refused"]);
    const { client } = await lab.pair("/v1/realtime", { headers: { authorization: `Bearer ${token}` } });
    client.socket.close();
  });

  test("where streaming is switched off it is 400 streaming_disabled", async () => {
    await using quiet = await openSocketLab({ env: { ENABLE_STREAMING: "false" } });
    const bytes = requestBytes("/v1/realtime", { token: quiet.token, headers: handshake });
    expect(errorOf(await exchange(quiet.app.port, bytes))).toBe("streaming_disabled");
  });

  test("the provider's refusal of its handshake is 502 bad_gateway", async () => {
    lab.upstream.refuseWith(() => new Response("no", { status: 403 }));
    const answer = await ask("/v1/realtime");
    expect([answer.status, errorOf(answer)]).toEqual([502, "bad_gateway"]);
  });

  test.each([401, 403, 429])(
    "refused with %i, it is opened with another key, and the first one rests",
    async (status) => {
      const { project, token, id } = await lab.tokenOf("lab", { max_requests: 10 });
      await lab.app.manage("POST", `/projects/${project.id}/keys`, { api_key: "sk-second-0123456789" });
      const keyOf = (at: number) => lab.upstream.handshakes.at(at)?.headers.get("authorization");
      const headers = { authorization: `Bearer ${token}` };
      lab.upstream.refuseWith(() => {
        lab.upstream.refuseWith(undefined);
        return new Response("no", { status });
      });
      for (const _ of [1, 2]) (await lab.pair("/v1/realtime", { headers })).client.socket.close();
      expect(keyOf(-2)).not.toBe(keyOf(-3));
      expect(keyOf(-1)).toBe(keyOf(-2) ?? "");
      const { json: keys } = await lab.app.manage("GET", `/projects/${project.id}/keys`);
      const rested = keys.find(({ last_status }: { last_status?: number }) => last_status === status);
      const [record] = await lab.records(2, id);
      expect(record?.key_id).not.toBe(rested.id);
      expect((await lab.app.manage("GET", `/tokens/${id}`)).json.request_count).toBe(2);
    },
  );

  test("a provider that does not answer the handshake in its time is 504 timeout", async () => {
    const release = Promise.withResolvers<Response>();
    lab.upstream.refuseWith(() => release.promise);
    const answer = await ask("/v1/realtime", { token: (await lab.tokenOf("hurried")).token });
    release.resolve(new Response("late"));
    expect([answer.status, errorOf(answer)]).toEqual([504, "timeout"]);
  });

  test("a provider that cannot be reached is 502 and gives the request back; one that opens counts", async () => {
    const { token } = await lab.tokenOf("nowhere", { max_requests: 1 });
    for (const _ of [1, 2]) expect((await ask("/v1/realtime", { token })).status).toBe(502);
    const once = await lab.tokenOf("lab", { max_requests: 1 });
    const headers = { authorization: `Bearer ${once.token}` };
    const { client } = await lab.pair("/v1/realtime", { headers });
    client.socket.close();
    expect(errorOf(await ask("/v1/realtime", { token: once.token }))).toBe("rate_limit_exceeded");
  });

  test("a client that leaves during the handshake leaves nothing open at the provider", async () => {
    const { token, id } = await lab.tokenOf("lab");
    const release = Promise.withResolvers<Response>();
    const wasAsked = Promise.withResolvers<void>();
    lab.upstream.refuseWith(() => {
      wasAsked.resolve();
      return release.promise;
    });
    const client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/realtime", { token, headers: handshake }));
    await wasAsked.promise;
    client.close();
    const [record] = await lab.records(1, id);
    release.resolve(new Response("late"));
    expect([record?.status, record?.outcome]).toEqual([499, "client_cancelled"]);
  });
});
