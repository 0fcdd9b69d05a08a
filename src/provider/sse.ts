/** Splits a stream of server-sent events (WHATWG HTML, 9.2.6) as its bytes pass. */
export interface SseReader {
  push(chunk: Uint8Array): void;
  /** Offers a last event that lacks its empty line: by the standard it is none, but what it says may be of use. */
  end(): void;
}

interface SseReaderDeps {
  /** Gets the data of each event, its lines joined by LF. */
  readonly onEvent: (data: string) => void;
  /** How much is held at the most. An event with more bytes of data is passed over, but for what `onLong` takes of it. */
  readonly eventBytesMax: number;
  /** Takes an event whose one line of data is too long as it passes, its field's name in front of the first piece. */
  readonly onLong?: () => LongEvent;
}

interface LongEvent {
  push(bytes: Uint8Array): void;
  /** The event is whole. */
  end(): void;
}

const [lineFeed, carriageReturn, blank, colon] = [10, 13, 32, 58];
/** `data`, as a number that is read at once. */
const dataWord = 0x64617461;
const nothing = Buffer.alloc(0);
/** What is held of a line that is too long: enough to know its field, a byte order mark before it included. */
const longLineBytes = 8;
/** A larger buffer is let go after its line. */
const idleBytesMax = 64 * 1024;

/**
 * Reads all line ends (LF, CRLF, CR) wherever the chunks have their borders. A byte is looked at once and copied only
 * if its line goes over a border; comments and fields other than `data` are not even decoded.
 */
export function createSseReader({ onEvent, eventBytesMax, onLong }: SseReaderDeps): SseReader {
  /** Some bytes more than the data may have: the name of the field, a byte order mark. */
  const heldBytesMax = eventBytesMax + 2 * longLineBytes;
  let data: string | undefined;
  let dataBytes = 0;
  /** Whether the event is too large. */
  let isLost = false;
  let isFirstLine = true;
  /** Whether the last chunk ended with CR, so that a LF at the start of the next one belongs to it. */
  let isAfterReturn = false;
  /** The start of a line whose end has not come. */
  let held = nothing;
  let heldBytes = 0;
  let isLongLine = false;
  let long: LongEvent | undefined;

  function endEvent(): void {
    const text = isLost ? undefined : data;
    if (isLost) long?.end();
    long = undefined;
    data = undefined;
    dataBytes = 0;
    isLost = false;
    if (text !== undefined) onEvent(text);
  }

  function takeData(bytes: Buffer, start: number, end: number): void {
    // A line counts even if it is empty: its LF does.
    dataBytes += end - start + (data === undefined ? 0 : 1);
    isLost ||= isLongLine || dataBytes > eventBytesMax;
    if (isLost) data = undefined;
    else {
      const text = bytes.toString("utf8", start, end);
      data = data === undefined ? text : `${data}\n${text}`;
    }
  }

  function takeLine(bytes: Buffer, lineStart: number, end: number): void {
    const start = isFirstLine && startsWithMark(bytes, lineStart, end) ? lineStart + 3 : lineStart;
    isFirstLine = false;
    const length = end - start;
    if (length === 0) endEvent();
    if (length < 4 || bytes.readUInt32BE(start) !== dataWord) return;
    if (length === 4) takeData(bytes, end, end);
    else if (bytes[start + 4] === colon)
      takeData(bytes, start + (length > 5 && bytes[start + 5] === blank ? 6 : 5), end);
  }

  function hold(bytes: Buffer, start: number, end: number): void {
    const wanted = heldBytes + end - start;
    if (isLongLine || wanted > heldBytesMax) {
      if (!isLongLine) {
        isLongLine = true;
        long = onLong?.();
        long?.push(held.subarray(0, heldBytes));
      }
      long?.push(bytes.subarray(start, end));
      const room = Math.max(0, longLineBytes - heldBytes);
      heldBytes = Math.min(heldBytes, longLineBytes);
      if (room > 0) append(bytes, start, Math.min(end, start + room));
    } else append(bytes, start, end);
  }

  function append(bytes: Buffer, start: number, end: number): void {
    const wanted = heldBytes + end - start;
    if (wanted > held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(512, wanted, Math.min(2 * wanted, heldBytesMax)));
      held.copy(larger, 0, 0, heldBytes);
      held = larger;
    }
    bytes.copy(held, heldBytes, start, end);
    heldBytes = wanted;
  }

  function takeHeld(): void {
    const [line, length] = [held, heldBytes];
    heldBytes = 0;
    if (held.length > idleBytesMax) held = nothing;
    takeLine(line, 0, length);
    if (isLongLine && !isLost) long = undefined; // a comment, or a field that nobody reads
    isLongLine = false;
  }

  function endLine(bytes: Buffer, start: number, end: number): void {
    if (heldBytes === 0) takeLine(bytes, start, end);
    else {
      hold(bytes, start, end);
      takeHeld();
    }
  }

  return {
    push(chunk) {
      if (chunk.byteLength === 0) return;
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let start = isAfterReturn && bytes[0] === lineFeed ? 1 : 0;
      isAfterReturn = false;
      let feed = find(bytes, lineFeed, start);
      let back = find(bytes, carriageReturn, start);
      for (let end = Math.min(feed, back); end < bytes.length; end = Math.min(feed, back)) {
        endLine(bytes, start, end);
        start = end + 1;
        if (end === back) {
          isAfterReturn = start === bytes.length;
          if (feed === start) start++;
          back = find(bytes, carriageReturn, start);
        }
        if (feed < start) feed = find(bytes, lineFeed, start);
      }
      if (start < bytes.length) hold(bytes, start, bytes.length);
    },
    end() {
      if (heldBytes > 0) takeHeld();
      endEvent();
    },
  };
}

/** Where the byte comes next; behind the end if it does not. */
function find(bytes: Buffer, byte: number, start: number): number {
  const at = bytes.indexOf(byte, start);
  return at < 0 ? bytes.length : at;
}

function startsWithMark(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= 3 && bytes.readUIntBE(start, 3) === 0xef_bb_bf;
}
