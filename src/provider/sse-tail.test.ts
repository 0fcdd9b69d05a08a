import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createSseTail } from "./sse-tail.ts";

function tailOf(...chunks: string[]) {
  const tail = createSseTail();
  for (const chunk of chunks) tail.push(new TextEncoder().encode(chunk));
  return { isEventBorder: tail.isEventBorder(), isAtItsEnd: tail.isAtItsEnd() };
}

describe("the tail of an event stream", () => {
  const table: [text: string, isEventBorder: boolean, isAtItsEnd: boolean][] = [
    ["", true, false],
    ['data: {"a":1}\n\n', true, false],
    ['data: {"a":1}\r\n\r\n', true, false],
    ["data: x\r\r", true, false],
    ['data: {"a":1}\n', false, false],
    ['data: {"cho', false, false],
    ["data: x\n\ndata: [DONE]\n\n", true, true],
    ["data:[DONE]\r\n\r\n", true, true],
    ["data: [DONE]", false, true],
    ["data: [DONE]\n\n: more\n\n", true, false],
    ['data: {"text":"[DONE]"}\n\n', true, false],
    ['event: message_stop\ndata: {"type":"message_stop"}\n\n', true, true],
    ['event: message_stop\ndata: {"type": "message_stop" }\n\n', true, true],
    ['data: {"type":"message_delta"}\n\n', true, false],
  ];
  test.each(table)("%p: at a border %p, at its end %p", (text, isEventBorder, isAtItsEnd) => {
    expect(tailOf(text)).toEqual({ isEventBorder, isAtItsEnd });
  });
  test.each(table)("%p is read the same in any pieces", (text, isEventBorder, isAtItsEnd) => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, index) => text.slice(at[index], end));
        expect(tailOf("x".repeat(100), "\n\n", ...pieces)).toEqual(
          text === "" ? { isEventBorder: true, isAtItsEnd: false } : { isEventBorder, isAtItsEnd },
        );
      }),
      { numRuns: 30 },
    );
  });
});

test("a stream of single bytes is read as one of large chunks, and holds no more than its end", () => {
  const text = `${"data: x\n\n".repeat(500)}data: [DONE]\n\n`;
  expect(tailOf(...text)).toEqual({ isEventBorder: true, isAtItsEnd: true });
});
