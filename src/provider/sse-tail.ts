/** The last bytes of an event stream as it passes: whether an event of ours could stand behind them. */
export interface SseTail {
  push(chunk: Uint8Array): void;
  /** Whether the last event is whole: it ends with an empty line (WHATWG HTML, 9.2.6), or there was none yet. */
  isEventBorder(): boolean;
}

/** The line ends that end an event. */
const keptBytes = 4;
const smallChunksMax = 16;

/**
 * Keeps the tail of a stream, whatever the borders of its chunks. It holds on to the last chunks and makes a text of
 * them only when it is asked: a chunk passes for the price of an assignment.
 */
export function createSseTail(): SseTail {
  let last: readonly Uint8Array[] = [];

  function text(): string {
    const bytes = Buffer.concat(last);
    return bytes.toString("latin1", Math.max(0, bytes.length - keptBytes));
  }

  return {
    push(chunk) {
      if (chunk.byteLength >= keptBytes) last = [chunk];
      // Many small chunks are put together from time to time, so that only few are held.
      else if (last.length >= smallChunksMax) last = [Buffer.from(text(), "latin1"), chunk];
      else last = [...last, chunk];
    },
    isEventBorder() {
      const tail = text();
      return tail === "" || tail.endsWith("\n\n") || tail.endsWith("\r\n\r\n") || tail.endsWith("\r\r");
    },
  };
}
