import { describe, expect, test } from "bun:test";
import { compileAllowList } from "../project/policy.ts";
import defaultProviders from "./default-providers.yaml" with { type: "text" };
import { formatProblem } from "./problem.ts";
import { parseProviders } from "./providers.ts";

describe("the provider file in the binary", () => {
  const parsed = parseProviders("built in", defaultProviders, {
    defaultName: undefined,
    requestTimeoutMs: 0,
    allowedOrigins: ["*"],
    metricsPath: "/metrics",
  });
  if (!parsed.ok) throw new Error(parsed.error.map(formatProblem).join("\n"));
  const shipped = parsed.value;

  test("covers twelve providers, openai first", () => {
    const names =
      "openai anthropic gemini azure-openai openrouter mistral groq deepseek together xai ollama vllm mock";
    expect([...shipped.byName.keys()]).toEqual(names.split(" "));
    expect(shipped.defaultName).toBe("openai");
  });

  test.each([
    ["openai", { scheme: "bearer" }],
    ["anthropic", { scheme: "header", name: "x-api-key" }],
    ["gemini", { scheme: "header", name: "x-goog-api-key" }],
    ["azure-openai", { scheme: "header", name: "api-key" }],
    ["ollama", { scheme: "none" }],
    ["vllm", { scheme: "none" }],
  ])("%s is asked the way it wants", (name, auth) => {
    expect(shipped.byName.get(name)?.auth).toMatchObject(auth);
  });

  test("no key can leave for azure-openai before the operator has named a host", () => {
    // RFC 2606, 2: no host is ever below .invalid.
    expect(shipped.byName.get("azure-openai")?.origin).toEndWith(".invalid");
  });

  test.each([
    [
      "openai",
      "/v1/chat/completions /v1/responses/r_1/input_items /v1/batches/b/cancel /v1/files/f/content /v1/audio/speech /v1/images/edits /v1/realtime /v1/assistants/a /v1/threads/t/runs /v1/fine_tuning/jobs /v1/vector_stores/v/files /v1/uploads/u/parts /v1/videos /v1/evals /v1/containers /v1/conversations /v1/moderations /v1/embeddings /v1/models/gpt-4o",
    ],
    [
      "anthropic",
      "/v1/messages /v1/messages/count_tokens /v1/messages/batches/b/results /v1/models /v1/files /v1/complete",
    ],
    [
      "gemini",
      "/v1beta/models/gemini-2.5-flash:generateContent /v1beta/models/g:streamGenerateContent /v1beta/openai/chat/completions /upload/v1beta/files /v1beta/cachedContents/c /v1beta/tunedModels/t /v1/models",
    ],
    ["azure-openai", "/openai/deployments/d/chat/completions /openai/v1/responses"],
    ["groq", "/v1/chat/completions /v1/audio/transcriptions"],
    ["openrouter", "/v1/chat/completions /v1/models"],
    ["deepseek", "/chat/completions /v1/chat/completions"],
    ["ollama", "/api/chat /v1/chat/completions"],
    ["vllm", "/v1/chat/completions /tokenize"],
  ])("%s lets the whole API through", (name, paths) => {
    const mayCall = compileAllowList(shipped.byName.get(name)?.allowedEndpoints ?? []);
    expect(paths.split(" ").filter((path) => !mayCall(path))).toEqual([]);
  });

  test.each([
    ["openai", "/v1/organization/admin_api_keys /v1/modelsX /v1 / /v1/webhook_endpoints /dashboard"],
    ["anthropic", "/v1/organizations/api_keys /v1/messagesX"],
    ["openrouter", "/v1/keys /v1/auth/keys"],
    ["ollama", "/api/pull /api/delete /api/create /api/push /api/copy"],
  ])("%s: what administers accounts or servers does not pass", (name, paths) => {
    const mayCall = compileAllowList(shipped.byName.get(name)?.allowedEndpoints ?? []);
    expect(paths.split(" ").filter(mayCall)).toEqual([]);
  });
});
