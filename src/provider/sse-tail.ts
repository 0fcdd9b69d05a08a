/** The last bytes of an event stream as it passes: all that has to be known of it to end it well. */
export interface SseTail {
  push(chunk: Uint8Array): void;
  /** Whether the last event is whole: it ends with an empty line (WHATWG HTML, 9.2.6), or there was none yet. */
  isEventBorder(): boolean;
  /** Whether the stream has said that it is at its end, whatever may still happen to the connection. */
  isAtItsEnd(): boolean;
}

/** Longer than any last event below, with its line ends. */
const keptChars = 64;

/** How the families say that nothing more will come: OpenAI's `[DONE]`, Anthropic's `message_stop`. */
const lastEvents = /(^|\n)data: ?(\[DONE\]|\{"type": ?"message_stop" ?\})\s*$/;

/** Keeps the tail of a stream, whatever the borders of its chunks. */
export function createSseTail(): SseTail {
  let tail = "";
  return {
    push(chunk) {
      const from = Math.max(0, chunk.byteLength - keptChars);
      const last = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("latin1", from);
      tail = (tail + last).slice(-keptChars);
    },
    isEventBorder: () =>
      tail === "" || tail.endsWith("\n\n") || tail.endsWith("\r\n\r\n") || tail.endsWith("\r\r"),
    isAtItsEnd: () => lastEvents.test(tail),
  };
}
