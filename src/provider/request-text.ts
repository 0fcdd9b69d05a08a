/** A JSON object, each of whose names stands once. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a body's bytes hold all that a model will read. */
export type TextClass =
  /** They do. */
  | { readonly kind: "text"; readonly body: JsonObject }
  /** Not all of it: `what` leads elsewhere, or is no text. */
  | { readonly kind: "other"; readonly what: string; readonly body: JsonObject }
  /** `what` makes the model read its input several times. */
  | { readonly kind: "repeated"; readonly what: string }
  | { readonly kind: "unreadable" };

/** Fields that change nothing about what is read, or hold text of which the model reads every byte once at most. */
const plain = new Set(
  `model messages input prompt contents content parts text role name system systemInstruction system_instruction
   instructions stream stream_options temperature top_p top_k topP topK max_tokens max_completion_tokens
   max_output_tokens max_tokens_to_sample n best_of stop stop_sequences stopSequences seed user metadata
   presence_penalty frequency_penalty presencePenalty frequencyPenalty logit_bias logprobs top_logprobs echo suffix
   response_format responseMimeType responseSchema response_mime_type response_schema response_json_schema
   responseJsonSchema format json_schema schema strict reasoning reasoning_effort effort verbosity thinking
   thinkingConfig thinking_config thinkingBudget includeThoughts budget_tokens summary include store
   parallel_tool_calls tool_choice toolConfig tool_config generationConfig generation_config maxOutputTokens
   candidateCount candidate_count safetySettings safety_settings service_tier encoding_format dimensions taskType
   outputDimensionality title query documents top_n return_documents prompt_cache_key cache_control ttl
   safety_identifier type tools functions function_call tool_calls tool_call_id tool_use_id call_id id status function
   arguments output signature is_error refusal thought thoughtSignature functionCall functionResponse args response
   requests embedContentConfig annotations phase`
    .split(/\s+/)
    .filter((name) => name !== ""),
);
/** Words of `type` whose object is text. */
const plainTypes = new Set(
  `text input_text output_text refusal message function function_call function_call_output tool_use tool_result
   thinking redacted_thinking reasoning summary_text reasoning_text json_object json_schema enabled disabled adaptive
   ephemeral auto any none tool custom custom_tool_call custom_tool_call_output content allowed_tools`
    .split(/\s+/)
    .filter((name) => name !== ""),
);
/** Below these is text of the caller's own shape. */
const opaque = new Set(
  "parameters input_schema parametersJsonSchema schema json_schema responseSchema response_schema metadata arguments args response logit_bias response_json_schema responseJsonSchema".split(
    " ",
  ),
);
/** What makes a model read its input again and again, or asks for others beside it. */
const repeating = new Set(
  "web_search_options search_parameters mcp_servers plugins context_management background models".split(" "),
);
/** What bounds a request: another writing of them bounds it at servers that take names in any case, and not here. */
const bounding = new Set(
  "model models messages input prompt tools max_tokens max_completion_tokens max_output_tokens n best_of".split(
    " ",
  ),
);
const depthMax = 200;
/** A longer body would hold up everybody else. */
const readBytesMax = 4 << 20;

/** Reads a JSON body; at the first thing that is not on a list it knows enough. */
export function readText(body: Uint8Array): TextClass {
  if (body.byteLength > readBytesMax) return { kind: "unreadable" };
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    value = JSON.parse(text);
  } catch {
    return { kind: "unreadable" };
  }
  // Of a name that comes twice, one reader takes the first and another the last.
  if (!isObject(value) || fieldsWritten(text) !== fieldsIn(value)) return { kind: "unreadable" };
  const again = Object.keys(value).find((name) => repeating.has(name) && value[name] !== false);
  if (again !== undefined) return { kind: "repeated", what: again };
  const { tools = [] } = value;
  if (!Array.isArray(tools) || !tools.every(isOwnTool))
    return { kind: "repeated", what: "a tool of the provider" };
  if (isObject(value["prompt"])) return { kind: "repeated", what: "a stored prompt" };
  const alias = Object.keys(value).find((name) => !bounding.has(name) && bounding.has(name.toLowerCase()));
  if (alias !== undefined) return { kind: "repeated", what: alias.slice(0, 50) };
  const what = strangerIn(value, 0);
  return what === undefined ? { kind: "text", body: value } : { kind: "other", what, body: value };
}

/** A tool that the client runs: the provider only writes down how it is to be called. */
function isOwnTool(tool: unknown): boolean {
  if (!isObject(tool)) return false;
  if (tool["type"] !== undefined) return tool["type"] === "function" || tool["type"] === "custom";
  if (tool["input_schema"] !== undefined) return true;
  return Object.keys(tool).every(
    (name) => name === "functionDeclarations" || name === "function_declarations",
  );
}

/** The name of the first field or kind that is on no list. */
function strangerIn(value: unknown, depth: number): string | undefined {
  if (depth > depthMax) return "what lies so deep";
  if (Array.isArray(value)) {
    for (const each of value) {
      const found = strangerIn(each, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isObject(value)) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    if (depth === 0 && name === "tools") continue; // looked at before
    if (name === "type" && typeof inner === "string" && !plainTypes.has(inner)) return inner.slice(0, 50);
    if (opaque.has(name)) continue;
    // An id alone stands for something that was said before.
    const isReference = name === "id" && value["type"] === undefined && value["function"] === undefined;
    if (!plain.has(name) || isReference) return name.slice(0, 50);
    const found = strangerIn(inner, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Names with a value in a JSON text: each has a colon, and others stand in strings only. */
function fieldsWritten(json: string): number {
  return json.replace(/"(?:[^"\\]|\\.)*"/g, "").split(":").length - 1;
}

/** The same that are there once it was read. */
function fieldsIn(value: unknown): number {
  let fields = 0;
  const left: unknown[] = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (Array.isArray(next)) for (const each of next) left.push(each);
    else if (isObject(next))
      for (const each of Object.values(next)) {
        fields++;
        left.push(each);
      }
  }
  return fields;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
