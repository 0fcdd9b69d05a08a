import { STATUS_CODES } from "node:http";
import { type Bytes, type Headers, toBuffer } from "./http-message.ts";
import type { Step } from "./upstream-connection.ts";

/** Waits for the whole body, or for this many decoded bytes of it. What is not read here is read after the script. */
export const readBody =
  (bytesMin?: number): Step =>
  (link) =>
    link.readBody(bytesMin);

/** One write for each argument. Text goes out as UTF-8. */
export const write =
  (...pieces: readonly Bytes[]): Step =>
  async (link) => {
    for (const piece of pieces) await link.write(piece);
  };

export const pause =
  (ms: number): Step =>
  (link) =>
    link.pause(ms);

/** Keeps the connection open and sends nothing, until the peer closes. */
export const hold = (): Step => (link) => link.hold();

/** Half-closes: nothing more is sent, what comes is still read. */
export const fin = (): Step => (link) => link.fin();

/** Closes with RST (SO_LINGER 0), which takes back what the peer has not read yet: pause before, if that must arrive. */
export const reset = (): Step => (link) => link.reset();

export const stopReading = (): Step => (link) => link.stopReading();

/** Writes this many bytes in blocks of 64 KiB as fast as the peer takes them; see `bytesSent` of the connection. */
export const flood =
  (bytes: number): Step =>
  async (link) => {
    const block = Buffer.alloc(64 * 1024, "f");
    for (let left = bytes; left > 0; left -= block.length) await link.write(block.subarray(0, left));
  };

/** The bytes of a response head. */
export function head(status: number, headers: Headers = []): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n${lines.join("")}\r\n`;
}

/** One chunk of a chunked body; of nothing, the last one. */
export function chunk(bytes: Bytes): Buffer {
  const content = toBuffer(bytes);
  return Buffer.concat([Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from("\r\n")]);
}

/** An answer with a length, in one write. */
export function reply(status: number, headers: Headers, body: Bytes): Step[] {
  const length = ["Content-Length", String(Buffer.byteLength(body))] as const;
  const whole = Buffer.concat([Buffer.from(head(status, [...headers, length])), toBuffer(body)]);
  return [readBody(), write(whole)];
}

/** A JSON answer. A text is sent as it is, anything else is serialised. */
export function replyJson(value: unknown, status = 200, headers: Headers = []): Step[] {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  return reply(status, [["Content-Type", "application/json"], ...headers], body);
}

/** One server-sent event: `data: {...}`, with its name in front if it has one. A text is taken as it is. */
export function event(data: unknown, name?: string): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${text}\n\n`;
}

/**
 * A chunked event stream that ends in order: the head in one write, then each event as one chunk and one write,
 * `gapMs` after the one before. For a stream that ends badly take `sseHead`, `chunk` and `reset` or `fin`.
 */
export function replySse(events: readonly Bytes[], gapMs = 0, headers: Headers = []): Step[] {
  const paced = events.flatMap((bytes) =>
    gapMs > 0 ? [pause(gapMs), write(chunk(bytes))] : [write(chunk(bytes))],
  );
  return [readBody(), write(sseHead(headers)), ...paced, write(chunk(""))];
}

/** The head of a chunked event stream. */
export function sseHead(headers: Headers = []): string {
  return head(200, [["Content-Type", "text/event-stream"], ["Transfer-Encoding", "chunked"], ...headers]);
}

/** Answers with what came, as JSON: `{method, url, rawHeaders, sha256, length}`; `rawHeaders` is name, value, name, ... */
export function echo(): Step[] {
  const tell: Step = async (link) => {
    const { request } = link;
    if (request === undefined) throw new Error("echo() answers a request, it cannot run on accept");
    const { method, target: url, headers, body } = request;
    const heard = { method, url, rawHeaders: headers.flat(), sha256: body.sha256(), length: body.length };
    for (const step of replyJson(heard)) await step(link);
  };
  return [readBody(), tell];
}
