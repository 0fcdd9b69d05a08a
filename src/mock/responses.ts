import {
  type Answer,
  type Call,
  complain,
  complainAboutBasics,
  countTokens,
  speak,
  sseEvent,
  textOf,
} from "./answer.ts";

/** `POST /v1/responses` of OpenAI, JSON and stream (events numbered by `sequence_number`). */
export function response(call: Call): Answer {
  const { model, input, instructions, max_output_tokens } = call.body;
  const wrong = complainAboutBasics(call, "max_output_tokens");
  if (wrong !== undefined) return wrong;
  const items = typeof input === "string" ? [input] : input;
  if (!Array.isArray(items) || items.length === 0) {
    return complain("Missing required parameter: 'input' must be a text or an array of items", {
      param: "input",
      code: "missing_required_parameter",
    });
  }
  const speech = speak(items, max_output_tokens);
  const inputTokens = countTokens(textOf(instructions) + textOf(items));
  const usage = {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: speech.tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + speech.tokens,
  };
  const status = speech.cut ? "incomplete" : "completed";
  const part = { type: "output_text", text: speech.text, annotations: [] };
  const item = { id: call.id("msg_"), type: "message", role: "assistant", status, content: [part] };
  const final = {
    id: call.id("resp_"),
    object: "response",
    created_at: call.createdS,
    status,
    error: null,
    incomplete_details: speech.cut ? { reason: "max_output_tokens" } : null,
    instructions: instructions ?? null,
    model,
    output: [item],
    tools: [],
    usage,
  };
  if (call.body["stream"] !== true) return { kind: "json", body: final };

  const open = { ...final, status: "in_progress", incomplete_details: null, output: [], usage: null };
  const at = { item_id: item.id, output_index: 0, content_index: 0 };
  const steps: readonly (readonly [name: string, data: object])[] = [
    ["response.created", { response: open }],
    ["response.in_progress", { response: open }],
    [
      "response.output_item.added",
      { output_index: 0, item: { ...item, status: "in_progress", content: [] } },
    ],
    ["response.content_part.added", { ...at, part: { ...part, text: "" } }],
    ...speech.words.map((delta) => ["response.output_text.delta", { ...at, delta }] as const),
    ["response.output_text.done", { ...at, text: speech.text }],
    ["response.content_part.done", { ...at, part }],
    ["response.output_item.done", { output_index: 0, item }],
    [`response.${status}`, { response: final }],
  ];
  const events = steps.map(([type, data], index) =>
    sseEvent({ type, sequence_number: index, ...data }, type),
  );
  return { kind: "events", events };
}
