import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createSseTail } from "./sse-tail.ts";

function tailOf(...chunks: string[]) {
  const tail = createSseTail();
  for (const chunk of chunks) tail.push(new TextEncoder().encode(chunk));
  return tail.isEventBorder();
}

describe("the tail of an event stream", () => {
  const table: [text: string, isEventBorder: boolean][] = [
    ["", true],
    ['data: {"a":1}\n\n', true],
    ['data: {"a":1}\r\n\r\n', true],
    ["data: x\r\r", true],
    ['data: {"a":1}\n', false],
    ['data: {"cho', false],
    ["data: x\n\ndata: [DONE]\n\n", true],
    ["data:[DONE]\r\n\r\n", true],
    ["data: [DONE]", false],
    ["data: [DONE]\n\n: more\n\n", true],
    ['data: {"text":"[DONE]"}\n\n', true],
    ['event: message_stop\ndata: {"type":"message_stop"}\n\n', true],
    ['event: message_stop\ndata: {"type": "message_stop" }\n\n', true],
    ['data: {"type":"message_delta"}\n\n', true],
  ];
  test.each(table)("%p: at a border %p", (text, isEventBorder) => {
    expect(tailOf(text)).toBe(isEventBorder);
  });
  test.each(table)("%p is read the same in any pieces", (text, isEventBorder) => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, index) => text.slice(at[index], end));
        expect(tailOf("x".repeat(100), "\n\n", ...pieces)).toBe(isEventBorder);
      }),
      { numRuns: 30 },
    );
  });
});

test("a stream of single bytes is read as one of large chunks, and holds no more than its end", () => {
  const text = `${"data: x\n\n".repeat(500)}data: [DONE]\n\n`;
  expect(tailOf(...text)).toBe(true);
});
