import { describe, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { readSseData } from "./sse-lines.ts";

function inPieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  const count = Math.ceil(bytes.length / size);
  return Readable.from(Array.from({ length: count }, (_, n) => bytes.subarray(n * size, (n + 1) * size)));
}

function read(text: string, size: number): Promise<string[]> {
  return Array.fromAsync(readSseData(inPieces(new TextEncoder().encode(text), size)));
}

const table: readonly (readonly [string, string, readonly string[]])[] = [
  ["line feeds", "data: a\n\ndata: b\n\n", ["a", "b"]],
  ["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]],
  ["CR alone", "data: a\r\rdata: b\r\r", ["a", "b"]],
  ["mixed line ends", "data: a\r\n\ndata: b\n\r\n", ["a", "b"]],
  ["comments and other fields", ": hi\nevent: x\nid: 1\ndata: a\n: again\n\n:\n\n", ["a"]],
  ["several data lines", "data: a\ndata:\ndata:  b\ndata\n\n", ["a\n\n b\n"]],
  ["characters of several bytes", "data: żółć 🎉\n\n", ["żółć 🎉"]],
  ["a byte order mark", "\uFEFFdata: a\n\n", ["a"]],
  ["a field that only begins like data", "database: x\ndata: a\n\n", ["a"]],
  ["an event that was not closed", "data: a\n\ndata: half\n", ["a"]],
  ["nothing", "", []],
];

describe("events are read whatever the chunk borders", () => {
  test.each(table)("%s", async (_, text, events) => {
    for (const size of [1, 2, 3, 7, 1000]) expect(await read(text, size)).toEqual([...events]);
  });

  test("a line of two million characters is read whole", async () => {
    const long = "x".repeat(2_000_000);
    expect(await read(`data: ${long}\n\n`, 65_536)).toEqual([long]);
  });
});
