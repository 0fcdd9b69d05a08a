import type { AnswerReader } from "./answer-reader.ts";
import { createJsonPick, type JsonPick, wantedPaths } from "./json-pick.ts";
import { createStringWalk } from "./json-strings.ts";
import { createSseReader } from "./sse.ts";

/** Cuts the bytes of an answer into what a reader takes, whatever the borders of the chunks. Never throws. */
export interface AnswerBytes {
  push(chunk: Uint8Array): void;
  /** Nothing more comes. */
  end(): void;
}

/** How an answer is framed: server-sent events, a JSON document on each line, or JSON as a whole. */
export type AnswerFraming = "events" | "lines" | "json";

/**
 * Events and bodies up to this are parsed as a whole, which takes a millisecond; of longer ones (pictures in base64)
 * only `pickedPaths` are read, as they pass.
 */
const wholeBytesMax = 256 * 1024;

/** All that is looked for in an answer but its text: usage, models, errors and ends. */
const pickedPaths = wantedPaths([
  "type",
  "object",
  "status",
  "error",
  "model",
  "modelVersion",
  "service_tier",
  "duration",
  "usage",
  "usageMetadata",
  "meta.billed_units",
  "data.*",
  "promptFeedback.blockReason",
  "choices.*.finish_reason",
  "candidates.*.finishReason",
  "message.model",
  "message.usage",
  "response.object",
  "response.status",
  "response.error",
  "response.model",
  "response.service_tier",
  "response.usage",
]);

const [lineFeed, quote, openBrace, openBracket, closeBrace, closeBracket] = [
  0x0a, 0x22, 0x7b, 0x5b, 0x7d, 0x5d,
];
const text = new TextDecoder();

/** What comes in this framing goes to `reader`, in memory for one event or body of 256 KiB. */
export function readAnswerBytes(framing: AnswerFraming, reader: AnswerReader): AnswerBytes {
  switch (framing) {
    case "events":
      return createSseReader({
        onEvent: reader.event,
        eventBytesMax: wholeBytesMax,
        onLong: () => createPicked((answer) => reader.picked(answer, false)),
      });
    case "lines":
      return readLines(createPart(reader, false));
    case "json":
      return readJson(reader);
  }
}

/** One event or body, whose length is not known before. */
interface Part extends AnswerBytes {
  /** Lets go what has come of it. */
  drop(): void;
}

function createPart(reader: AnswerReader, isWhole: boolean): Part {
  let pieces: Uint8Array[] = [];
  let length = 0;
  let picked: AnswerBytes | undefined;

  function drop(): void {
    pieces = [];
    length = 0;
    picked = undefined;
  }

  return {
    push(chunk) {
      length += chunk.byteLength;
      if (picked === undefined && length > wholeBytesMax) {
        picked = createPicked((answer) => reader.picked(answer, isWhole));
        for (const piece of pieces) picked.push(piece);
        pieces = [];
      }
      if (picked !== undefined) picked.push(chunk);
      else if (chunk.byteLength > 0) pieces.push(chunk);
    },
    end() {
      if (picked !== undefined) picked.end();
      else if (pieces.length > 0) {
        const whole = text.decode(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
        if (isWhole) reader.body(whole);
        else reader.event(whole);
      }
      drop();
    },
    drop,
  };
}

function createPicked(onEnd: (answer: Readonly<Record<string, unknown>>) => void): AnswerBytes {
  const pick = createJsonPick(pickedPaths);
  return { push: pick.push, end: () => onEnd(shapeAgain(pick)) };
}

/** An object with the values that were found, where they stood; all that stood in an array is in its last element. */
function shapeAgain({ found, counted }: JsonPick): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, length] of counted) root[path] = Array.from({ length }, () => ({}));
  for (const [path, value] of found) {
    const names = path.split(".");
    const last = names.pop() ?? "";
    let at = root;
    for (const name of names) at = stepInto(at, name);
    at[last] = value;
  }
  return root;
}

function stepInto(at: Record<string, unknown>, name: string): Record<string, unknown> {
  if (name === "*" && Array.isArray(at)) return at.at(-1) as Record<string, unknown>;
  at[name] ??= {};
  return at[name] as Record<string, unknown>;
}

function readLines(line: Part): AnswerBytes {
  return {
    push(chunk) {
      let from = 0;
      for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, from)) {
        line.push(chunk.subarray(from, end));
        line.end();
        from = end + 1;
      }
      line.push(chunk.subarray(from));
    },
    end: line.end,
  };
}

/** A whole body, or an array whose objects are events: Gemini's streams where no server-sent events were asked for. */
function readJson(reader: AnswerReader): AnswerBytes {
  let chosen: AnswerBytes | undefined;
  return {
    push(chunk) {
      const first = chosen === undefined ? chunk.find((byte) => byte > 0x20) : undefined;
      if (first !== undefined)
        chosen = first === openBracket ? readElements(createPart(reader, false)) : createPart(reader, true);
      chosen?.push(chunk);
    },
    end: () => chosen?.end(),
  };
}

function readElements(element: Part): AnswerBytes {
  const walk = createStringWalk();
  let depth = 0;
  let isInString = false;
  let isOpen = false;

  return {
    push(chunk) {
      let from = 0;
      for (let at = 0; at < chunk.length; at++) {
        if (isInString) {
          const end = walk.end(chunk, at);
          if (end < 0) break;
          isInString = false;
          at = end;
        }
        const byte = chunk[at];
        if (byte === quote) isInString = true;
        else if (byte === openBrace || byte === openBracket) {
          if (depth === 1 && byte === openBrace) {
            isOpen = true;
            from = at;
          }
          depth++;
        } else if (byte === closeBrace || byte === closeBracket) {
          depth--;
          if (depth !== 1 || !isOpen) continue;
          element.push(chunk.subarray(from, at + 1));
          element.end();
          isOpen = false;
        }
      }
      if (isOpen) element.push(chunk.subarray(from));
    },
    end: element.drop,
  };
}
