import {
  type Answer,
  type Call,
  type Complaint,
  complain,
  complainAboutBasics,
  countTokens,
  isObject,
  type Speech,
  speak,
  sseEvent,
  textOf,
} from "./answer.ts";

/** Words a complaint as the OpenAI API does. */
export function openaiError({ status, message, code, param }: Complaint): unknown {
  const type = status === 429 ? "requests" : status >= 500 ? "server_error" : "invalid_request_error";
  return { error: { message, type, param: param ?? null, code: code ?? CODES[status] ?? null } };
}

const CODES: Readonly<Record<number, string>> = {
  401: "invalid_api_key",
  404: "not_found",
  405: "method_not_supported",
  429: "rate_limit_exceeded",
};

/** `POST /v1/chat/completions`, JSON and stream, with `stream_options.include_usage`. */
export function chatCompletion(call: Call): Answer {
  const { messages, max_tokens, max_completion_tokens } = call.body;
  const wrong = complainAboutBasics(call, "max_tokens") ?? complainAboutBasics(call, "max_completion_tokens");
  if (wrong !== undefined) return wrong;
  if (!Array.isArray(messages) || messages.length === 0) return missing("messages", "an array of messages");
  const speech = speak(messages, max_completion_tokens ?? max_tokens);
  const reply: Reply = {
    call,
    speech,
    head: { id: call.id("chatcmpl-"), created: call.createdS, model: call.body["model"] },
    usage: usageOf(countTokens(textOf(messages)), speech.tokens),
  };
  if (call.body["stream"] === true) return { kind: "events", events: chatEvents(reply) };
  const message = { role: "assistant", content: speech.text, refusal: null };
  const choice = { index: 0, message, logprobs: null, finish_reason: finishOf(speech) };
  return jsonReply(reply, "chat.completion", choice);
}

/** `POST /v1/completions`, JSON and stream. */
export function completion(call: Call): Answer {
  const { prompt, max_tokens } = call.body;
  const wrong = complainAboutBasics(call, "max_tokens");
  if (wrong !== undefined) return wrong;
  if (textOf(prompt) === "") return missing("prompt", "a text");
  const speech = speak([prompt], max_tokens);
  const reply: Reply = {
    call,
    speech,
    head: { id: call.id("cmpl-"), created: call.createdS, model: call.body["model"] },
    usage: usageOf(countTokens(textOf(prompt)), speech.tokens),
  };
  const choice = (text: string, finish: string | null) => ({
    text,
    index: 0,
    logprobs: null,
    finish_reason: finish,
  });
  if (call.body["stream"] !== true) {
    return jsonReply(reply, "text_completion", choice(speech.text, finishOf(speech)));
  }
  const choices = [...speech.words.map((word) => choice(word, null)), choice("", finishOf(speech))];
  return { kind: "events", events: chunks(reply, "text_completion", choices) };
}

const DIMENSIONS = 1536;
const DIMENSIONS_MAX = 4096;

/** `POST /v1/embeddings`: unit vectors that depend on the text alone, as numbers or base64. */
export function embeddings(call: Call): Answer {
  const { model, input, encoding_format } = call.body;
  const wrong = complainAboutBasics(call, "dimensions");
  if (wrong !== undefined) return wrong;
  const inputs = typeof input === "string" ? [input] : input;
  if (!Array.isArray(inputs) || inputs.length === 0) return missing("input", "a text or an array of texts");
  const dimensions = Math.min(Number(call.body["dimensions"] ?? DIMENSIONS), DIMENSIONS_MAX);
  const data = inputs.map((text, index) => {
    const vector = vectorOf(JSON.stringify(text), dimensions);
    const embedding =
      encoding_format === "base64" ? Buffer.from(vector.buffer).toString("base64") : [...vector];
    return { object: "embedding", index, embedding };
  });
  const prompt_tokens = countTokens(textOf(inputs));
  return {
    kind: "json",
    body: { object: "list", data, model, usage: { prompt_tokens, total_tokens: prompt_tokens } },
  };
}

interface Reply {
  readonly call: Call;
  readonly speech: Speech;
  readonly head: { readonly id: string; readonly created: number; readonly model: unknown };
  readonly usage: unknown;
}

function jsonReply({ head, usage }: Reply, object: string, choice: unknown): Answer {
  return { kind: "json", body: { ...head, object, choices: [choice], usage } };
}

function chatEvents(reply: Reply): string[] {
  const choice = (delta: unknown, finish: string | null = null) => ({
    index: 0,
    delta,
    logprobs: null,
    finish_reason: finish,
  });
  return chunks(reply, "chat.completion.chunk", [
    choice({ role: "assistant", content: "", refusal: null }),
    ...reply.speech.words.map((word) => choice({ content: word })),
    choice({}, finishOf(reply.speech)),
  ]);
}

function chunks({ call, head, usage }: Reply, object: string, choices: readonly unknown[]): string[] {
  const options = call.body["stream_options"];
  const wanted = isObject(options) && options["include_usage"] === true;
  const unknownYet = wanted ? { usage: null } : {};
  return [
    ...choices.map((choice) => sseEvent({ ...head, object, choices: [choice], ...unknownYet })),
    ...(wanted ? [sseEvent({ ...head, object, choices: [], usage })] : []),
    sseEvent("[DONE]"),
  ];
}

function usageOf(prompt: number, completion: number): unknown {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  };
}

function finishOf(speech: Speech): string {
  return speech.cut ? "length" : "stop";
}

function missing(param: string, what: string): Answer {
  return complain(`Missing required parameter: '${param}' must be ${what}`, {
    param,
    code: "missing_required_parameter",
  });
}

function vectorOf(text: string, dimensions: number): Float32Array {
  const raw = Float32Array.from({ length: dimensions }, (_, index) => {
    return Number(Bun.hash.xxHash32(text, index)) / 2 ** 31 - 1;
  });
  const length = Math.hypot(...raw);
  return raw.map((value) => value / length);
}
