import { expect, test } from "bun:test";
import fc from "fast-check";
import { createSseReader } from "./sse.ts";

const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text);

function read(chunks: readonly Uint8Array[], eventBytesMax = 1024): string[] {
  const events: string[] = [];
  const reader = createSseReader({ onEvent: (data) => events.push(data), eventBytesMax });
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return events;
}

test.each([
  ["STR-102 LF and no blank", 'data:{"a":1}\n\ndata:[DONE]\n\n', ['{"a":1}', "[DONE]"]],
  ["STR-102 CRLF", 'data: {"a":1}\r\n\r\ndata: [DONE]\r\n\r\n', ['{"a":1}', "[DONE]"]],
  ["STR-102 bare CR", 'data: {"a":1}\r\rdata: [DONE]\r\r', ['{"a":1}', "[DONE]"]],
  ["line ends of all kinds", "data: 1\r\ndata: 2\rdata: 3\n\r\ndata: 4\r\r\n", ["1\n2\n3", "4"]],
  ["STR-110 a byte order mark", "\ufeffdata: 1\n\n\ufeffdata: 2\n\n", ["1"]],
  ["STR-110 several lines of data", 'data: {"a":\ndata: 1}\n\n', ['{"a":\n1}']],
  ["STR-110 data without a colon", "data\n\ndata\ndata\n\n", ["", "\n"]],
  ["STR-110 a field that begins like data", "dataX: {}\n\ndata1\n\ndat: 2\n\nDATA: 3\n\n", []],
  ["STR-110 a last event without an empty line", "data: 1\n\ndata: 2", ["1", "2"]],
  ["STR-110 a last event with half of it", "data: 1\n\ndata: 2\r\n", ["1", "2"]],
  ["STR-110 two blanks", "data:  {}\n\ndata: \n\n", [" {}", ""]],
  ["STR-110 thousands of comments", `data: 1\n${": ping\n".repeat(3000)}data: 2\n\n`, ["1\n2"]],
  ["other fields", "event: x\nid: 7\nretry: 1\ndata: 1\n\n:\n\nevent: y\n\n", ["1"]],
  ["nothing", "", []],
])("%s is read", (_, text, events) => {
  expect(read([bytesOf(text)])).toEqual(events);
});

const streams = [
  'data: {"a":"äöü€😀"}\r\n\r\n: x\r\ndata:b\r\n\r\n',
  "\ufeffdata: ä\r\rdata\rdata:  😀\r\r",
  "data: 1\n\r\n\rdata: 2\r\n\ndata: €",
];

test.each(streams)("STR-102 borders of chunks may be anywhere in %j", (text) => {
  const bytes = bytesOf(text);
  const whole = read([bytes]);
  for (let first = 0; first <= bytes.length; first++)
    for (let second = first; second <= bytes.length; second++)
      expect(read([bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)])).toEqual(whole);
  expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(whole);
});

test("any stream says the same at any borders, and what a plain reader says", () => {
  const word = fc.constantFrom(
    "data",
    "data:",
    "data: ",
    ":",
    "\r",
    "\n",
    "\r\n",
    "ä",
    "😀",
    "x",
    " ",
    "\ufeff",
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), fc.array(fc.nat(40)), (words, sizes) => {
      const bytes = bytesOf(words.join(""));
      const chunks: Uint8Array[] = [];
      let at = 0;
      for (const size of [...sizes, bytes.length]) {
        chunks.push(bytes.slice(at, at + size));
        at += size;
      }
      expect(read(chunks)).toEqual(plainly(words.join("")));
    }),
  );
});

/** The rules of the standard, written down as they stand there. */
function plainly(text: string): string[] {
  const events: string[] = [];
  let data: string[] = [];
  for (const line of [...text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/), ""]) {
    if (line === "") {
      if (data.length > 0) events.push(data.join("\n"));
      data = [];
    } else if (line === "data") data.push("");
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return events;
}

test.each([1, 7, 4096])(
  "an event that is too large is passed over and later ones are read (%i bytes a chunk)",
  (size) => {
    const long = "x".repeat(300);
    const text = `data: ${"y".repeat(100)}\n\ndata: ${long}\ndata: rest\n\ndata: 1\n: ${long}\n\n${"data: 34\n".repeat(40)}\ndata: 2\n\n`;
    const bytes = bytesOf(text);
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.slice(index * size, (index + 1) * size),
    );
    expect(read(chunks, 100)).toEqual(["y".repeat(100), "1", "2"]);
  },
);

test("lines of data that are empty fill an event too", () => {
  expect(read([bytesOf(`${"data\n".repeat(102)}\n${"data\n".repeat(101)}\n`)], 100)).toEqual([
    "\n".repeat(100),
  ]);
});

test("what is pushed may be overwritten afterwards", () => {
  const events: string[] = [];
  const reader = createSseReader({ onEvent: (data) => events.push(data), eventBytesMax: 100 });
  const chunk = bytesOf("data: 12");
  reader.push(chunk);
  chunk.fill(0);
  reader.push(bytesOf("3\n\n"));
  expect(events).toEqual(["123"]);
});
