import {
  type Answer,
  type Call,
  type Complaint,
  complain,
  complainAboutBasics,
  countTokens,
  type Speech,
  speak,
  sseEvent,
  textOf,
} from "./answer.ts";

/** Words a complaint as the Anthropic API does. */
export function anthropicError({ status, message }: Complaint, requestId: string): unknown {
  const type = TYPES[status] ?? (status >= 500 ? "api_error" : "invalid_request_error");
  return { type: "error", error: { type, message }, request_id: requestId };
}

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};

/** `POST /v1/messages`, JSON and stream. */
export function message(call: Call): Answer {
  const { model, messages, max_tokens } = call.body;
  const wrong = refuse(call);
  if (wrong !== undefined) return wrong;
  if (typeof max_tokens !== "number") return complain("max_tokens: Field required");
  const speech = speak(messages as readonly unknown[], max_tokens);
  const reply = {
    id: call.id("msg_"),
    type: "message",
    role: "assistant",
    model,
    content: [{ type: "text", text: speech.text }],
    stop_reason: stopOf(speech),
    stop_sequence: null,
    usage: usageOf(call, speech.tokens),
  };
  if (call.body["stream"] !== true) return { kind: "json", body: reply };
  const open = { ...reply, content: [], stop_reason: null, usage: usageOf(call, 1) };
  return { kind: "events", events: messageEvents(open, speech) };
}

/** `POST /v1/messages/count_tokens`. */
export function countMessageTokens(call: Call): Answer {
  return refuse(call) ?? { kind: "json", body: { input_tokens: inputTokens(call) } };
}

function messageEvents(open: object, speech: Speech): string[] {
  const delta = { stop_reason: stopOf(speech), stop_sequence: null };
  const steps: readonly (readonly [type: string, data: object])[] = [
    ["message_start", { message: open }],
    ["content_block_start", { index: 0, content_block: { type: "text", text: "" } }],
    ["ping", {}],
    ...speech.words.map(
      (text) => ["content_block_delta", { index: 0, delta: { type: "text_delta", text } }] as const,
    ),
    ["content_block_stop", { index: 0 }],
    ["message_delta", { delta, usage: { output_tokens: speech.tokens } }],
    ["message_stop", {}],
  ];
  return steps.map(([type, data]) => sseEvent({ type, ...data }, type));
}

function refuse(call: Call): Answer | undefined {
  const { body } = call;
  const wrong = complainAboutBasics(call, "max_tokens");
  if (wrong !== undefined) return wrong;
  if (!Array.isArray(body["messages"])) return complain("messages: Field required");
  if (body["messages"].length === 0) return complain("messages: at least one message is required");
  return undefined;
}

function inputTokens({ body }: Call): number {
  return countTokens(textOf(body["system"]) + textOf(body["messages"]));
}

function usageOf(call: Call, outputTokens: number): unknown {
  return {
    input_tokens: inputTokens(call),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: outputTokens,
  };
}

function stopOf(speech: Speech): string {
  return speech.cut ? "max_tokens" : "end_turn";
}
