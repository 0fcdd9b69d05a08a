import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import type { Price } from "../usage/price.ts";
import { worstOf } from "./request-bounds.ts";
import { readRequestFacts } from "./request-facts.ts";
import { readText } from "./request-text.ts";

const rates = { input: 1_000_000_000n, output: 2_000_000_000n };
const price: Price = {
  longAboveTokens: undefined,
  bands: { standard: { short: rates, long: rates } },
  inputTokensMax: 200_000,
  outputTokensMax: 16_000,
};
const { outputTokensMax: _, inputTokensMax: __, ...open } = price;
const unknown: Price = { ...open, inputTokensMax: undefined, outputTokensMax: undefined };

function worst(path: string, body: unknown, changes: { method?: string; price?: Price | undefined } = {}) {
  const bytes = new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
  const facts = readRequestFacts({ path, query: "", contentType: "application/json" }, bytes);
  const request = { method: changes.method ?? "POST", path, isUpgrade: false, body: bytes };
  return worstOf(request, facts, "price" in changes ? changes.price : price);
}
const hi = [{ role: "user", content: "hi" }];
const image = [{ role: "user", content: [{ type: "image_url", image_url: { url: "https://x/y.png" } }] }];

describe("the most that a request can use", () => {
  const bounded: [name: string, path: string, body: object, usage: object][] = [
    ["chat", "/v1/chat/completions", { messages: hi, max_tokens: 5 }, { inputTokens: 128, outputTokens: 5 }],
    ["n answers", "/v1/chat/completions", { messages: hi, max_tokens: 5, n: 3 }, { outputTokens: 15 }],
    [
      "the larger of two bounds",
      "/v1/chat/completions",
      { messages: hi, max_tokens: 5, max_completion_tokens: 9 },
      { outputTokens: 9 },
    ],
    ["no bound: the model's", "/v1/chat/completions", { messages: hi }, { outputTokens: 16_000 }],
    [
      "a bound that is no number",
      "/v1/chat/completions",
      { messages: hi, max_tokens: "5" },
      { outputTokens: 16_000 },
    ],
    [
      "own tools",
      "/v1/chat/completions",
      {
        messages: hi,
        max_tokens: 5,
        tools: [{ type: "function", function: { name: "f", parameters: { anything: { image: 1 } } } }],
      },
      { outputTokens: 5 },
    ],
    [
      "a picture by its address",
      "/v1/chat/completions",
      { messages: image, max_tokens: 5 },
      { inputTokens: 200_000, outputTokens: 5 },
    ],
    [
      "a field that nobody knows",
      "/v1/chat/completions",
      { messages: hi, max_tokens: 5, magic: 1 },
      { inputTokens: 200_000 },
    ],
    ["prompts", "/v1/completions", { prompt: ["a", "b"], max_tokens: 5, best_of: 2 }, { outputTokens: 20 }],
    ["responses", "/v1/responses", { input: "x", max_output_tokens: 7 }, { outputTokens: 7 }],
    [
      "an answer before it",
      "/v1/responses",
      { input: "x", max_output_tokens: 7, previous_response_id: "r" },
      { inputTokens: 200_000 },
    ],
    [
      "messages",
      "/v1/messages",
      { messages: hi, max_tokens: 9, thinking: { type: "enabled", budget_tokens: 5 } },
      { outputTokens: 9 },
    ],
    [
      "Gemini",
      "/v1beta/models/g:generateContent",
      { contents: [{ parts: [{ text: "x" }] }], generationConfig: { maxOutputTokens: 8, candidateCount: 2 } },
      { inputTokens: 128, outputTokens: 16 },
    ],
    [
      "inline data",
      "/v1beta/models/g:generateContent",
      { contents: [{ parts: [{ inlineData: {} }] }] },
      { inputTokens: 200_000 },
    ],
    ["embeddings", "/v1/embeddings", { input: "x".repeat(500) }, { inputTokens: 512 }],
  ];
  test.each(bounded)("%s", (_name, path, body, usage) => {
    expect(worst(path, body)).toMatchObject({ kind: "bounded", usage });
  });

  const free: [path: string, method: string][] = [
    ["/v1/models", "GET"],
    ["/v1/files/f", "DELETE"],
    ["/v1/files", "POST"],
    ["/v1/messages/count_tokens", "POST"],
    ["/v1/moderations", "POST"],
    ["/v1/batches/b/cancel", "POST"],
  ];
  test.each(free)("%s by %s is free", (path, method) => {
    expect(worst(path, {}, { method })).toEqual({ kind: "free" });
  });

  const unbounded: [name: string, path: string, body: unknown, price?: Price][] = [
    ["a new route", "/v1/some/new/route", { prompt: "x", max_tokens: 1 }],
    ["a batch", "/v1/batches", { input_file_id: "f" }],
    [
      "a tool of the provider",
      "/v1/responses",
      { input: "x", max_output_tokens: 5, tools: [{ type: "web_search" }] },
    ],
    [
      "one of Anthropic's",
      "/v1/messages",
      { messages: hi, max_tokens: 5, tools: [{ type: "web_search_20250305", name: "w" }] },
    ],
    ["one of Google's", "/v1beta/models/g:generateContent", { contents: [], tools: [{ googleSearch: {} }] }],
    [
      "a search beside the chat",
      "/v1/chat/completions",
      { messages: hi, max_tokens: 5, web_search_options: {} },
    ],
    ["work in the background", "/v1/responses", { input: "x", background: true }],
    ["no JSON", "/v1/chat/completions", "model=x"],
    ["no bound, and a model without one", "/v1/chat/completions", { messages: hi }, unknown],
    [
      "a picture, and a model without a bound",
      "/v1/chat/completions",
      { messages: image, max_tokens: 5 },
      unknown,
    ],
  ];
  test.each(unbounded)("%s is unbounded", (_name, path, body, own = price) => {
    expect(worst(path, body, { price: own }).kind).toBe("unbounded");
  });

  const hidden: [name: string, path: string, body: unknown][] = [
    ["other models beside it", "/v1/chat/completions", { messages: hi, max_tokens: 5, models: ["dear"] }],
    [
      "tools that are no list",
      "/v1beta/models/g:generateContent",
      { contents: [], tools: { googleSearch: {} } },
    ],
    ["a search of xAI", "/v1/chat/completions", { messages: hi, max_tokens: 5, search_parameters: {} }],
    ["a stored prompt", "/v1/responses", { prompt: { id: "p" }, max_output_tokens: 5 }],
    ["a name in another case", "/v1/chat/completions", { messages: hi, max_tokens: 1, Max_Tokens: 9999 }],
    [
      "a model that searches",
      "/v1/chat/completions",
      { model: "gpt-4o-search-preview", messages: hi, max_tokens: 5 },
    ],
    ["answers that are no count", "/v1/chat/completions", { messages: hi, max_tokens: 5, n: "128" }],
    ["two models", "/v1/chat/completions", '{"model":"a","model":"b","messages":[],"max_tokens":5}'],
    [
      "a sound elsewhere",
      "/v1/audio/transcriptions",
      '--x\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttp://x\r\n--x--',
    ],
  ];
  test.each(hidden)("%s is unbounded", (_name, path, body) => {
    expect(worst(path, body).kind).toBe("unbounded");
  });

  test("a bound under a name that the route does not know is none", () => {
    const whole = { kind: "bounded", usage: { outputTokens: 16_000 } };
    expect(worst("/v1/responses", { input: "x", max_tokens: 1 })).toMatchObject(whole);
    expect(worst("/v1/chat/completions", { messages: hi, max_output_tokens: 1 })).toMatchObject(whole);
    for (const odd of ["16000", 16000.5, -1, 1e300, 0])
      expect(
        worst("/v1/chat/completions", { messages: hi, max_tokens: 1, max_completion_tokens: odd }),
      ).toMatchObject(whole);
  });

  test("an id in the place of what was said is not text", () => {
    const usage = { inputTokens: 200_000 };
    expect(worst("/v1/responses", { input: [{ id: "m" }], max_output_tokens: 5 })).toMatchObject({ usage });
  });

  test("a query is read with each document", () => {
    const body = { query: "q".repeat(1000), documents: Array.from({ length: 100 }, () => "d") };
    const inputTokens = JSON.stringify(body).length * 100;
    expect(worst("/v1/rerank", body)).toMatchObject({ usage: { inputTokens } });
  });

  test("a session and a model without a price are unbounded", () => {
    expect(worst("/v1/chat/completions", { messages: hi }, { price: undefined }).kind).toBe("unbounded");
    const facts = readRequestFacts(
      { path: "/v1/realtime", query: "?model=m", contentType: "" },
      new Uint8Array(),
    );
    const socket = { method: "GET", path: "/v1/realtime", isUpgrade: true, body: undefined };
    expect(worstOf(socket, facts, price).kind).toBe("unbounded");
  });
});

test("a text has no more tokens than bytes, or than the least that is taken", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      const { byteLength } = new TextEncoder().encode(text);
      expect(countTokens(text, { allowedSpecial: "all" })).toBeLessThanOrEqual(Math.max(128, byteLength));
    }),
  );
});

test("reading a body never throws, and what is hidden in it is found", () => {
  fc.assert(fc.property(fc.json(), (text) => void readText(new TextEncoder().encode(text))));
  const hidden = '{"messages":[{"content":[{"t\\u0079pe":"im\\u0061ge_url"}]}]}';
  expect(readText(new TextEncoder().encode(hidden))).toMatchObject({ kind: "other", what: "image_url" });
  const twice = '{"tools":[{"type":"web_search"}],"tools":[]}';
  expect(readText(new TextEncoder().encode(twice)).kind).toBe("unreadable");
});
