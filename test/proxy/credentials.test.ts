import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { makeTokenText } from "../../src/token/secret.ts";
import type { Headers } from "../harness/http-message.ts";
import { headerValue } from "../harness/http-message.ts";
import { jsonOf, type Lab, openLab } from "./lab.ts";

const credentialNames = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key"];

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

/** Credential header fields of a request at the provider. */
function credentialsIn(headers: Headers): Headers {
  return headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => credentialNames.includes(name));
}

describe("where a token may stand", () => {
  const places: [string, string, (token: string) => Headers][] = [
    ["Authorization: Bearer", "/v1/models", (token) => [["Authorization", `Bearer ${token}`]]],
    ["authorization: bearer", "/v1/models", (token) => [["authorization", `bearer ${token}`]]],
    [
      "AUTHORIZATION: BEARER with two blanks",
      "/v1/models",
      (token) => [["AUTHORIZATION", `BEARER  ${token}`]],
    ],
    ["x-api-key", "/v1/models", (token) => [["X-Api-Key", token]]],
    ["api-key", "/v1/models", (token) => [["api-key", token]]],
    ["x-goog-api-key", "/v1/models", (token) => [["x-goog-api-key", token]]],
    ["?key=", "/v1/models?key=$T", () => []],
    [
      "all of them, when they agree",
      "/v1/models?key=$T",
      (token) => [
        ["Authorization", `Bearer ${token}`],
        ["x-api-key", token],
        ["api-key", token],
        ["x-goog-api-key", token],
      ],
    ],
  ];
  test.each(places)(
    "%s: the provider sees its own key and nothing of the token (AUT-101)",
    async (_, target, headers) => {
      const answer = await lab.call(target.replace("$T", lab.token), {
        token: "",
        headers: headers(lab.token),
      });
      expect(answer.status).toBe(200);
      const request = lab.upstream.requests.at(-1)!;
      expect(request.target).toBe("/v1/models");
      expect(credentialsIn(request.headers)).toEqual([["authorization", `Bearer ${lab.app.providerKey}`]]);
      expect(request.headBytes.toString()).not.toContain(lab.token);
    },
  );

  test("?key= that is no token of ours stays the provider's business", async () => {
    await lab.call("/v1/models?key=AIza-theirs&a=%2B+b&&x", {});
    expect(lab.upstream.requests.at(-1)?.target).toBe("/v1/models?key=AIza-theirs&a=%2B+b&&x");
  });

  test.each([
    ["?Key=$T", ""],
    ["?k%65y=$T&a=%2B", "?a=%2B"],
    ["?a=1;key=$T;b=2", "?a=1;b=2"],
    ["?key=$T;b=2&&", "?b=2&&"],
    ["?&a=1&KEY=$T", "?&a=1"],
    ["?monkey=1&keys=2&k&key", "?monkey=1&keys=2&k&key"],
  ])("of the query %p the provider sees %p, however the name is written", async (query, seen) => {
    const token = query.includes("$T") ? "" : lab.token;
    const { status } = await lab.call(`/v1/models${query.replace("$T", lab.token)}`, { token });
    expect(status).toBe(200);
    expect(lab.upstream.requests.at(-1)?.target).toBe(`/v1/models${seen}`);
  });

  test("?key= with a token percent-encoded is the token all the same", async () => {
    const encoded = lab.token.replaceAll("-", "%2d").replaceAll("_", "%5F");
    expect((await lab.call(`/v1/models?a=1&key=${encoded}`, { token: "" })).status).toBe(200);
    expect(lab.upstream.requests.at(-1)?.target).toBe("/v1/models?a=1");
  });

  test("only the token leaves the query, every other byte stays", async () => {
    await lab.call(`/v1/files?a=1&key=${lab.token}&b=%20+&&c`, { token: "" });
    expect(lab.upstream.requests.at(-1)?.target).toBe("/v1/files?a=1&b=%20+&&c");
  });

  test("a credential under another name is not promoted to one (AUT-101)", async () => {
    await lab.call("/v1/models", { headers: [["x-pass-authorization", "Bearer x"]] });
    const { headers } = lab.upstream.requests.at(-1)!;
    expect(headerValue(headers, "x-pass-authorization")).toBe("Bearer x");
    expect(credentialsIn(headers)).toEqual([["authorization", `Bearer ${lab.app.providerKey}`]]);
  });
});

describe("refused before the provider hears of it", () => {
  const unknown = makeTokenText(randomBytes);
  const refused: [string, number, string, (token: string) => Headers, string?][] = [
    ["no credential", 401, "invalid_token", () => []],
    ["an empty one", 401, "invalid_token", () => [["Authorization", ""]]],
    ["an empty Bearer", 401, "invalid_token", () => [["Authorization", "Bearer "]]],
    ["no blank after Bearer", 401, "invalid_token", (token) => [["Authorization", `Bearer${token}`]]],
    ["Basic", 401, "invalid_token", (token) => [["Authorization", `Basic ${btoa(`${token}:`)}`]]],
    ["upper case", 401, "invalid_token", (token) => [["x-api-key", token.toUpperCase()]]],
    ["something behind it", 401, "invalid_token", (token) => [["x-api-key", `${token}-1`]]],
    ["a percent sign behind it", 401, "invalid_token", (token) => [["x-api-key", `${token}%`]]],
    ["an underscore behind it", 401, "invalid_token", (token) => [["x-api-key", `${token}_`]]],
    [
      "a blank in it",
      401,
      "invalid_token",
      (token) => [["x-api-key", `${token.slice(0, 9)} ${token.slice(9)}`]],
    ],
    [
      "a tab in it",
      401,
      "invalid_token",
      (token) => [["x-api-key", `${token.slice(0, 9)}\t${token.slice(9)}`]],
    ],
    ["60 KiB of it", 401, "invalid_token", () => [["x-api-key", `sk-wt-${"a".repeat(60_000)}`]]],
    ["a wildcard", 401, "invalid_token", (token) => [["x-api-key", `${token.slice(0, -1)}%`]]],
    ["its first half", 401, "invalid_token", (token) => [["x-api-key", token.slice(0, 27)]]],
    ["a zero-width space in it", 401, "invalid_token", (token) => [["x-api-key", `${token}\xe2\x80\x8b`]]],
    ["one character wrong", 401, "invalid_token", (token) => [["x-api-key", flip(token)]]],
    ["an unknown one", 401, "token_not_found", () => [["x-api-key", unknown]]],
    [
      "an unknown one of the old form",
      401,
      "token_not_found",
      () => [["x-api-key", "sk-AAAAAAAAAAAAAAAAAAAAAA"]],
    ],
    [
      "the management token (AUT-101)",
      401,
      "invalid_token",
      () => [["Authorization", `Bearer ${lab.app.managementToken}`]],
    ],
    [
      "two that differ",
      400,
      "ambiguous_credentials",
      (token) => [
        ["x-api-key", token],
        ["api-key", unknown],
      ],
    ],
    [
      "a token beside a foreign key",
      400,
      "ambiguous_credentials",
      (token) => [
        ["x-api-key", token],
        ["Authorization", "Bearer sk-live-1"],
      ],
    ],
    [
      "two Authorization lines",
      401,
      "invalid_token",
      (token) => [
        ["Authorization", `Bearer ${token}`],
        ["Authorization", `Bearer ${unknown}`],
      ],
    ],
    [
      "a header and a query that differ",
      400,
      "ambiguous_credentials",
      (token) => [["x-api-key", token]],
      `/v1/models?key=${unknown}`,
    ],
    [
      "two in the query that differ",
      400,
      "ambiguous_credentials",
      () => [],
      `/v1/models?key=${unknown}&key=${makeTokenText(randomBytes)}`,
    ],
  ];
  test.each(refused)("%s: %p %s (AUT-105)", async (...[_, status, code, headers, target = "/v1/models"]) => {
    const before = lab.upstream.requests.length;
    const answer = await lab.call(target, { token: "", headers: headers(lab.token) });
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([status, code]);
    expect(jsonOf(answer).error.code).toBe(code);
    expect(lab.upstream.requests).toHaveLength(before);
  });

  test("a NUL in it, and 1 MiB of it, never come as far; nothing of what was tried is in the log (AUT-105)", async () => {
    const before = lab.upstream.requests.length;
    const tried = [`${lab.token}\0`, `sk-wt-${"m".repeat(1 << 20)}`, `sk-wt-tried${lab.token.slice(11)}`];
    const statuses: number[] = [];
    for (const token of tried) statuses.push((await lab.call("/v1/models", { token })).status);
    expect(statuses).toEqual([400, 431, 401]);
    expect(lab.upstream.requests).toHaveLength(before);
    expect(lab.app.log()).not.toMatch(/sk-wt-(?!…)/);
  });

  test("all that are no token are refused in the same words (AUT-105)", async () => {
    const headers: Headers[] = [
      [],
      [["Authorization", "Basic eDp5"]],
      [["x-api-key", flip(lab.token)]],
      [["api-key", "sk-1"]],
    ];
    const bodies: string[] = [];
    for (const given of headers)
      bodies.push((await lab.call("/v1/models", { token: "", headers: given })).body.text());
    expect(new Set(bodies).size).toBe(1);
  });

  test("blanks around a key header do not count, as HTTP has it (AUT-105)", async () => {
    const answer = await lab.call("/v1/models", { token: "", headers: [["x-api-key", `  ${lab.token}\t`]] });
    expect(answer.status).toBe(200);
  });

  test("a revoked token, an expired one, and one of an inactive project", async () => {
    const project = await lab.app.newProject();
    const revoked = await lab.app.newToken(project.id);
    await lab.app.manage("DELETE", `/tokens/${revoked.id}`);
    const expiring = await lab.app.newToken(project.id, {
      duration_minutes: undefined,
      expires_at: new Date(Date.now() + 300).toISOString(),
    });
    const active = await lab.app.newToken(project.id);
    expect((await lab.call("/v1/models", { token: active.token })).status).toBe(200);
    const before = lab.upstream.requests.length;

    const refusalOf = async (token: string) => {
      const answer = await lab.call("/v1/models", { token });
      return [answer.status, headerValue(answer.headers, "x-llm-proxy-error")];
    };
    expect(await refusalOf(revoked.token)).toEqual([401, "token_inactive"]);
    await Bun.sleep(Math.max(0, Date.parse(expiring.expires_at) - Date.now()));
    expect(await refusalOf(expiring.token)).toEqual([401, "token_expired"]);
    await lab.app.manage("PATCH", `/projects/${project.id}`, { is_active: false });
    expect(await refusalOf(active.token)).toEqual([403, "project_inactive"]);
    expect(lab.upstream.requests).toHaveLength(before);
  });

  const unusual = [
    "/chat/completions",
    "/v1beta/models/g:generateContent",
    "/openai/deployments/d/chat/completions?api-version=1",
    "/inference/v1/generate",
    "/V1/chat/completions",
    "//v1/chat/completions",
    "/v1;x/chat/completions",
    "/health/../v1/models",
    "/lab/v1/models",
    "/healthz",
    "/",
  ];
  test.each(unusual)("%s needs a token as well (AUT-108)", async (target) => {
    const before = lab.upstream.requests.length;
    for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) {
      for (const [token, code] of [
        ["", "invalid_token"],
        [unknown, "token_not_found"],
      ] as const) {
        const headers: Headers = [["Origin", "https://page.example"]];
        const answer = await lab.call(target, { token, method, headers });
        expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([401, code]);
      }
    }
    for (const headers of [[], [["Origin", "https://page.example"]]] as Headers[]) {
      const preflight = await lab.call(target, { token: "", method: "OPTIONS", headers });
      expect([preflight.status, preflight.body.length]).toEqual([204, 0]);
    }
    expect(lab.upstream.requests).toHaveLength(before);
  });
});

/** The token with one character of its random part changed. */
function flip(token: string): string {
  const changed = token[10] === "A" ? "B" : "A";
  return token.slice(0, 10) + changed + token.slice(11);
}
