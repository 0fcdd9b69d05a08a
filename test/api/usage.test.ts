import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { noUsage } from "../../src/usage/usage.ts";
import { aRecord } from "../harness/rows.ts";
import { startServer, type TestServer } from "./test-server.ts";

const noon = Date.UTC(2030, 0, 1, 12);
const hourMs = 3_600_000;
const usage = { ...noUsage, inputTokens: 10, cachedInputTokens: 4, outputTokens: 5 };

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.book([
    aRecord("a", { atMs: noon, usage, costNanoUsd: 100n }),
    aRecord("b", { atMs: noon + hourMs, usage, costNanoUsd: 30n, model: '=cheap,"x"', tokenId: "u" }),
    aRecord("c", { atMs: noon + 24 * hourMs, usage: { ...usage, source: "estimated" } }),
    aRecord("d", { atMs: noon + 24 * hourMs, outcome: "refused", model: "", provider: "", usage: null }),
  ]);
});
afterAll(() => server[Symbol.asyncDispose]());

const rows = async (query: string) => (await server.call("GET", `/manage/usage${query}`)).json.data;

test("without groups there is one row of everything", async () => {
  expect(await rows("")).toEqual([
    {
      requests: 4,
      estimated_requests: 1,
      unpriced_requests: 1,
      input_tokens: 30,
      cached_input_tokens: 12,
      cache_write_tokens: 0,
      audio_input_tokens: 0,
      output_tokens: 15,
      reasoning_tokens: 0,
      audio_output_tokens: 0,
      images: 0,
      audio_seconds: 0,
      characters: 0,
      web_searches: 0,
      cost_usd: "0.00000013",
    },
  ]);
});

describe("grouped", () => {
  const table: [query: string, rows: object[]][] = [
    [
      "?group_by=model",
      [
        { model: "gpt-5", requests: 2, cost_usd: "0.0000001" },
        { model: '=cheap,"x"', requests: 1, cost_usd: "0.00000003" },
        { model: "", requests: 1, cost_usd: "0" },
      ],
    ],
    [
      "?group_by=day",
      [
        { day: "2030-01-01T00:00:00.000Z", requests: 2 },
        { day: "2030-01-02T00:00:00.000Z", requests: 2 },
      ],
    ],
    [
      "?group_by=hour,token",
      [
        { hour: "2030-01-01T12:00:00.000Z", token_id: "t", requests: 1 },
        { hour: "2030-01-01T13:00:00.000Z", token_id: "u", requests: 1 },
        { hour: "2030-01-02T12:00:00.000Z", token_id: "t", requests: 2 },
      ],
    ],
    ["?group_by=outcome&outcome=refused", [{ outcome: "refused", requests: 1 }]],
    ["?token_id=u", [{ requests: 1 }]],
    [
      "?model=gpt-5&group_by=day&from=2030-01-02T00:00:00Z",
      [{ day: "2030-01-02T00:00:00.000Z", requests: 1 }],
    ],
    ["?from=2030-01-01T13:30:00Z&to=2030-01-01T13:31:00Z", [{ requests: 1 }]],
    ["?to=2030-01-01T12:00:00Z", []],
    ["?project_id=other", []],
  ];
  test.each(table)("%s", async (query, wanted) => {
    const got = await rows(query);
    expect(got).toMatchObject(wanted);
    expect(got).toHaveLength(wanted.length);
  });
});

test("as CSV it is quoted, and no formula", async () => {
  const { headers, text } = await server.call("GET", "/manage/usage?group_by=model&format=csv");
  expect(headers.get("content-type")).toBe("text/csv; charset=utf-8");
  const lines = text.split("\r\n");
  expect(lines[0]).toStartWith("model,requests,estimated_requests,");
  expect(lines[2]).toStartWith(`"'=cheap,""x""",1,`);
  expect(lines).toHaveLength(5);
});

test.each([
  "group_by=user",
  "group_by=hour,day",
  "group_by=day,day",
  "from=yesterday",
  "outcome=fine",
  "by=day",
])("%s is refused", async (query) => {
  const { status, json } = await server.call("GET", `/manage/usage?${query}`);
  expect([status, json.code]).toEqual([400, "validation_failed"]);
});
