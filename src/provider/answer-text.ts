import { jsonText, type LooseObject, listOf, objectOf, stringOf } from "./loose-json.ts";

/** How an answer is written: by what API, as far as its shape tells. */
export type AnswerFamily = "chat" | "responses" | "anthropic" | "gemini" | "media";

/** Gets what a model wrote, piece by piece; anything that is no text is ignored. */
type TakeText = (piece: unknown) => void;

/** Finds what the model wrote in an event or a whole answer: text, reasoning, arguments of tools. */
export function findText(answer: LooseObject, family: AnswerFamily, take: TakeText): void {
  textFinders[family](answer, take);
}

const textFinders: Readonly<Record<AnswerFamily, (answer: LooseObject, take: TakeText) => void>> = {
  chat(answer, take) {
    for (const choice of listOf(answer["choices"]).map(objectOf)) {
      take(choice["text"]);
      const message = objectOf(choice["delta"] ?? choice["message"]);
      take(message["reasoning_content"] ?? message["reasoning"]);
      take(message["content"]);
      for (const part of listOf(message["content"])) take(objectOf(part)["text"]);
      take(message["refusal"]);
      take(objectOf(message["function_call"])["arguments"]);
      for (const call of listOf(message["tool_calls"]))
        take(objectOf(objectOf(call)["function"])["arguments"]);
    }
  },
  responses(answer, take) {
    const type = stringOf(answer["type"]);
    // Sound is told in base64; what is said in it has events of its own.
    if (type.endsWith(".delta") && !type.endsWith("audio.delta")) take(answer["delta"]);
    for (const item of listOf(answer["output"]).map(objectOf)) {
      take(item["arguments"] ?? item["input"]);
      for (const part of [...listOf(item["summary"]), ...listOf(item["content"])].map(objectOf))
        take(part["text"] ?? part["refusal"]);
    }
  },
  anthropic(answer, take) {
    for (const block of [answer["delta"], ...listOf(answer["content"])].map(objectOf)) {
      take(block["text"] ?? block["thinking"] ?? block["partial_json"]);
      if (block["input"] !== undefined) take(jsonText(block["input"]));
    }
  },
  gemini(answer, take) {
    for (const candidate of listOf(answer["candidates"]))
      for (const part of listOf(objectOf(objectOf(candidate)["content"])["parts"]))
        take(objectOf(part)["text"]);
  },
  media(answer, take) {
    if (answer["type"] === "transcript.text.delta") take(answer["delta"]);
  },
};
