import { noUsage, type Usage } from "../usage/usage.ts";
import { createAnswerReader, type Reading } from "./answer-reader.ts";
import { objectOf, parseJson, stringOf } from "./loose-json.ts";

/** Reads what a provider says in a realtime session (OpenAI's Realtime API), in which there are many answers. */
export interface RealtimeReader {
  /** A text message of the provider's. */
  message(text: string): void;
  /** Usage of all responses that are done, added up. */
  reading(): Reading;
}

/** Only these tell of usage or model. */
const telling =
  /"type"\s*:\s*"(?:session\.(?:created|updated)|response\.done|[a-z_.]*input_audio_transcription\.completed)"/;
/** Longer than any of those; sound comes in messages of its own. */
const messageCharsMax = 1 << 20;

/** A message that tells nothing costs a search for the name of its type. */
export function createRealtimeReader(path: string): RealtimeReader {
  let last = createAnswerReader({ path }).reading();
  let usage: Usage | null = null;
  let model = "";
  let isTranscribed = false;

  return {
    message(text) {
      if (text.length > messageCharsMax || !telling.test(text)) return;
      const event = objectOf(parseJson(text));
      const type = stringOf(event["type"]);
      if (type.startsWith("session.")) model = stringOf(objectOf(event["session"])["model"]) || model;
      else if (type !== "response.done") isTranscribed = true;
      else {
        const reader = createAnswerReader({ path });
        reader.event(text);
        last = reader.reading();
        if (last.usage !== null) usage = sum(usage ?? noUsage, last.usage);
      }
    },
    reading: () => ({
      ...last,
      usage,
      model: model || last.model,
      // What the user says is written down by another model, at another price.
      alsoBilled: isTranscribed ? [...last.alsoBilled, "input_audio_transcription"] : last.alsoBilled,
    }),
  };
}

function sum(before: Usage, more: Usage): Usage {
  const counts = Object.entries(more).filter(
    (entry): entry is [keyof Usage, number] => typeof entry[1] === "number",
  );
  const added = counts.map(([name, value]) => [name, (before[name] as number) + value]);
  return { ...before, ...Object.fromEntries(added) };
}
