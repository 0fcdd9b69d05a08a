import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import {
  chunk,
  echo,
  event,
  fin,
  hold,
  pause,
  readBody,
  replyJson,
  replySse,
  reset,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes, type UsageRow } from "./lab.ts";

interface Ending {
  readonly row: Partial<UsageRow>;
  readonly run: (lab: Lab, token: string) => Promise<unknown>;
}

const timed = `  timed:
    base_url: $UPSTREAM
    allowed_methods: [GET, POST]
    allowed_endpoints: [/v1]
    timeouts: {response_header: 80ms, stream_idle: 80ms}
`;

const endings: [string, Ending][] = [
  [
    "a JSON answer",
    {
      row: { outcome: "complete", status: 200, stream: false, error_code: null, provider: "timed" },
      run: (lab, token) => lab.call("/v1/models", { token }),
    },
  ],
  [
    "the provider's own error",
    {
      row: { outcome: "complete", status: 429, error_code: null, response_bytes: 2 },
      run: (lab, token) => {
        lab.upstream.answer(replyJson({}, 429));
        return lab.call("/v1/models", { token });
      },
    },
  ],
  [
    "a stream",
    {
      row: { outcome: "complete", status: 200, stream: true, response_bytes: event(1).length * 2 },
      run: (lab, token) => {
        lab.upstream.answer(replySse([event(1), event(2)]));
        return lab.call("/v1/x", { token, body: "{}" });
      },
    },
  ],
  [
    "a refusal by policy",
    {
      row: { outcome: "refused", status: 404, error_code: "endpoint_not_found", provider: "timed" },
      run: (lab, token) => lab.call("/other", { token }),
    },
  ],
  [
    "a cut stream",
    {
      row: { outcome: "upstream_cut", status: 200, stream: true, response_bytes: event(1).length },
      run: (lab, token) => {
        lab.upstream.answer([readBody(), write(sseHead(), chunk(event(1))), pause(30), reset()]);
        return lab.call("/v1/x", { token, body: "{}" });
      },
    },
  ],
  [
    "a provider that closes without a word",
    {
      row: { outcome: "upstream_error", status: 502, error_code: "bad_gateway" },
      run: (lab, token) => {
        lab.upstream.answer([readBody(), fin()]);
        return lab.call("/v1/x", { token, body: "{}" });
      },
    },
  ],
  [
    "no answer in time",
    {
      row: { outcome: "upstream_timeout", status: 504, error_code: "timeout" },
      run: (lab, token) => {
        lab.upstream.answer([readBody(), hold()]);
        return lab.call("/v1/x", { token, body: "{}" });
      },
    },
  ],
  [
    "a stream that falls silent",
    {
      row: { outcome: "upstream_timeout", status: 200, stream: true },
      run: (lab, token) => {
        lab.upstream.answer([readBody(), write(sseHead(), chunk(event(1))), hold()]);
        return lab.call("/v1/x", { token, body: "{}" });
      },
    },
  ],
  [
    "a client that hangs up",
    {
      row: { outcome: "client_cancelled", status: 499, error_code: "client_cancelled" },
      run: async (lab, token) => {
        lab.upstream.answer([readBody(), hold()]);
        using client = await connectRaw(lab.app.port);
        await client.send(requestBytes("/v1/x", { method: "POST", token, body: "{}" }));
        await lab.upstream.nextRequest();
      },
    },
  ],
  [
    "a client that hangs up at the last event of a stream: it has had all",
    {
      row: { outcome: "complete", status: 200, stream: true },
      run: async (lab, token) => {
        lab.upstream.answer([readBody(), write(sseHead(), chunk("data: [DONE]\n\n")), hold()]);
        using client = await connectRaw(lab.app.port);
        await client.send(requestBytes("/v1/x", { method: "POST", token, body: "{}" }));
        await client.until("[DONE]");
      },
    },
  ],
];

describe("each request leaves one record and one pair of log lines, whatever its end", () => {
  test.each(endings)("%s", async (_, { row, run }) => {
    await using lab = await openLab({ providers: timed, env: { LOG_LEVEL: "debug" } });
    const project = await lab.app.newProject({ provider: "timed" });
    const { token, id } = await lab.app.newToken(project.id);
    await run(lab, token);
    const rows = await lab.records(1);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ ...row, token_id: id });

    const metrics = await (await fetch(`${lab.app.origin}/metrics/prometheus`)).text();
    expect(metrics).toMatch(/^llm_proxy_requests_in_flight 0$/m);
    expect(metrics).toMatch(/^llm_proxy_active_streams 0$/m);

    await lab.app.stop();
    const lines = lab.app
      .log()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const own = lines.filter((line) => line.request_id === rows[0]?.request_id);
    expect(own.filter(({ msg, message = msg }) => message === "request started")).toHaveLength(1);
    const ends = own.filter(({ msg, message = msg }) => String(message).startsWith("request completed"));
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({ status_code: row.status, outcome: row.outcome, project_id: project.id });
  });
});

test("a request whose token is not known is logged and counted, but in nobody's books", async () => {
  await using lab = await openLab();
  const answer = await lab.call("/v1/models", { token: "", headers: [["x-request-id", "unknown-1"]] });
  expect(answer.status).toBe(401);
  await lab.call("/v1/models");
  expect((await lab.records(1)).map(({ token_id }) => token_id)).toEqual([lab.tokenId]);
  await lab.app.stop();
  expect(lab.app.log()).toMatch(/"request_id":"unknown-1".*"error_code":"invalid_token"/);
});

describe("the audit trail", () => {
  const listed = async (lab: Lab, action: string) => {
    const { json } = await lab.app.manage("GET", `/audit?action=${action}`);
    return (json.events ?? json.data ?? json.audit_events) as Record<string, unknown>[];
  };

  test("names a refused credential once per address and second, with its token where it is known", async () => {
    await using lab = await openLab();
    await lab.app.manage("DELETE", `/tokens/${lab.tokenId}`);
    const answers = await Promise.all(Array.from({ length: 20 }, () => lab.call("/v1/models")));
    expect(answers.every(({ status }) => status === 401)).toBe(true);
    const events = await listed(lab, "token.validate");
    expect(events.length).toBeWithin(1, 4);
    expect(JSON.stringify(events[0])).toContain(lab.tokenId);
    expect(JSON.stringify(events[0])).toContain("token_inactive");
    expect(JSON.stringify(events)).not.toContain(lab.token);
  });

  test("names each request to an inactive project", async () => {
    await using lab = await openLab();
    await lab.app.manage("PATCH", `/projects/${lab.project.id}`, { is_active: false });
    const answer = await lab.call("/v1/models");
    const [entry] = await listed(lab, "proxy_request");
    expect(JSON.stringify(entry)).toContain("project_inactive");
    expect(JSON.stringify(entry)).toContain(headerValue(answer.headers, "x-request-id") ?? "?");
  });

  test("says nothing of requests that pass", async () => {
    await using lab = await openLab();
    lab.upstream.answer(echo());
    await lab.call("/v1/models");
    expect(await listed(lab, "proxy_request")).toEqual([]);
  });
});

test("a change is confirmed with its line in the audit file: a crash right after loses neither", async () => {
  await using lab = await openLab();
  const file = join(lab.app.dataDirectory, "audit.log");
  for (let count = 0; count < 20; count++) {
    const { json } = await lab.app.manage("POST", "/projects", {
      name: `p-${count}`,
      api_key: "sk-0123456789abcdef",
    });
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ action: "project.create", project_id: json.id });
  }
});
