import { slowly } from "./slowly.ts";

/** What a call is made of. */
export interface CallOptions {
  readonly port: number;
  readonly token: string;
  readonly target: string;
  /** Bytes of a body that is sent with `upload`; default: a short chat, with the head. */
  readonly bodyBytes?: number;
  /** Of that chat. */
  readonly model?: string;
  /** For each piece of the answer. */
  readonly onData?: (bytes: Buffer) => void;
}

/** One request on a connection of its own. All times are milliseconds of `performance.now()`. */
export interface Caller {
  readonly sentAtMs: number;
  /** Bytes that came, head and framing included. */
  readonly bytesReceived: number;
  /** 0 before there is one. */
  readonly status: number;
  /** When the first byte of the body came; NaN when the connection ended before. */
  readonly firstByte: Promise<number>;
  /** When and how the connection ended; whole is an answer with its last byte. */
  readonly end: Promise<{ readonly atMs: number; readonly isWhole: boolean }>;
  /** Sends the body, or so much of it, as fast as it is taken. @returns when it is, or the connection has gone */
  upload(bytes?: number): Promise<void>;
  /** Bytes of the body that the kernel has taken. */
  readonly bytesSent: number;
  stopReading(): void;
  readOn(): void;
  /** Goes away: `fin` in order, `reset` without. */
  leave(how?: "fin" | "reset"): void;
}

const blockBytes = 64 * 1024;
const block = new Uint8Array(blockBytes).fill(117);

/** Connects and sends the head. @throws {Error} when there is no connection */
export async function call(options: CallOptions): Promise<Caller> {
  const { port, token, target, bodyBytes, model = "soak-model", onData } = options;
  const answer = createAnswer();
  const chat = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "Hi" }] });
  let left = 0;
  let bytesSent = 0;
  let uploaded = Promise.withResolvers<void>();
  let isOver = false;

  function push(): void {
    while (left > 0) {
      const piece = left < blockBytes ? block.subarray(0, left) : block;
      const sent = Math.max(0, socket.write(piece));
      left -= sent;
      bytesSent += sent;
      if (sent < piece.length) return;
    }
    uploaded.resolve();
  }
  const over = (): void => {
    isOver = true;
    uploaded.resolve();
    answer.over();
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, bytes) {
        answer.take(bytes);
        onData?.(bytes);
      },
      drain: push,
      close: over,
      error: over,
    },
  });
  const sentAtMs = performance.now();
  const head = [
    `POST ${target} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: close",
    "Content-Type: application/json",
    `Authorization: Bearer ${token}`,
    `Content-Length: ${bodyBytes ?? chat.length}`,
    "\r\n",
  ].join("\r\n");
  socket.write(bodyBytes === undefined ? head + chat : head);
  return {
    sentAtMs,
    get bytesReceived() {
      return answer.bytes();
    },
    get bytesSent() {
      return bytesSent;
    },
    get status() {
      return answer.status();
    },
    firstByte: answer.firstByte,
    end: answer.end,
    async upload(bytes = bodyBytes ?? 0) {
      left = bytes;
      uploaded = Promise.withResolvers();
      if (!isOver) push();
      await uploaded.promise;
    },
    stopReading: () => {
      socket.pause();
    },
    readOn: () => {
      socket.resume();
    },
    leave(how = "fin") {
      if (how === "fin") socket.end();
      else socket.terminate();
    },
  };
}

const tailBytes = 5;

/** Follows an answer as far as the loads need it. */
function createAnswer() {
  const firstByte = Promise.withResolvers<number>();
  const end = Promise.withResolvers<{ readonly atMs: number; readonly isWhole: boolean }>();
  let head = "";
  let bodyStart = -1;
  let bytes = 0;
  let tail = "";

  const isWhole = (): boolean => {
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    return length === undefined ? tail === "0\r\n\r\n" : bytes - bodyStart === Number(length);
  };
  return {
    firstByte: firstByte.promise,
    end: end.promise,
    bytes: () => bytes,
    status: () => Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0),
    take(piece: Buffer) {
      bytes += piece.length;
      tail = (tail + piece.subarray(-tailBytes).toString("latin1")).slice(-tailBytes);
      if (bodyStart < 0) {
        head += piece.toString("latin1");
        const headEnd = head.indexOf("\r\n\r\n");
        if (headEnd < 0) return;
        head = head.slice(0, headEnd);
        bodyStart = headEnd + 4;
      }
      if (bytes > bodyStart) firstByte.resolve(performance.now());
    },
    over() {
      firstByte.resolve(Number.NaN);
      end.resolve({ atMs: performance.now(), isWhole: bodyStart >= 0 && isWhole() });
    },
  };
}

/** Reads at that pace for that long: after each piece that is too much, it stops until it is due. */
export async function readSlowly(caller: Caller, bytesPerSecond: number, durationMs: number): Promise<void> {
  await slowly(durationMs, (elapsedMs) => {
    if (caller.bytesReceived > (bytesPerSecond * elapsedMs) / 1000) caller.stopReading();
    else caller.readOn();
  });
}
