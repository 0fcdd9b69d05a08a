import type { Socket } from "bun";
import { slowly } from "./slowly.ts";

/** A request as the provider sees it, from its head on. All times are milliseconds of `performance.now()`. */
export interface Exchange {
  /** Path and query. */
  readonly target: string;
  /** Bytes of the answer that the kernel has taken so far. */
  readonly bytesSent: number;
  /** Bytes of the body, its framing included. */
  readonly bytesReceived: number;
  readonly isClosed: boolean;
  /** When the other side was seen to be gone. */
  readonly closed: Promise<number>;
  /** Resolves when the body is whole, or the connection has gone. */
  readonly bodyEnd: Promise<void>;
  /** Resolves when the kernel has taken all of it, or the connection has gone. */
  write(bytes: string | Uint8Array): Promise<void>;
  stopReading(): void;
  readOn(): void;
  /** Cuts the connection. */
  cut(): void;
}

/** What is done with a request. It has been answered when the promise resolves. */
export type Answer = (exchange: Exchange) => Promise<void>;

/** The provider of the loads: hand-written HTTP/1.1 in this process, so that what it sends and sees can be looked at. */
export interface Provider extends Disposable {
  readonly url: string;
  readonly port: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Every request since `forget`, in the order of their heads. */
  readonly exchanges: readonly Exchange[];
  /** Sets what is done from now on. */
  answer(answer: Answer): void;
  /** Lets go of the exchanges that are over, for loads of many thousands. */
  forget(): void;
}

interface Line {
  /** Bytes that are no part of a known request yet. */
  input: string;
  exchange: ReturnType<typeof createExchange> | undefined;
  closed: PromiseWithResolvers<number>;
}

const lastChunk = "0\r\n\r\n";

/** Starts one on 127.0.0.1. @param answer for requests before `answer` is called */
export function startProvider(answer: Answer = async () => {}): Provider {
  let standing = answer;
  let open = 0;
  let exchanges: Exchange[] = [];

  function receive(socket: Socket<Line>, bytes: Buffer): void {
    const line = socket.data;
    if (line.exchange !== undefined) {
      line.exchange.take(bytes);
      return;
    }
    line.input += bytes.toString("latin1");
    const headEnd = line.input.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = line.input.slice(0, headEnd);
    const rest = Buffer.from(line.input.slice(headEnd + 4), "latin1");
    line.input = "";
    const exchange = createExchange(socket, head);
    line.exchange = exchange;
    exchanges.push(exchange);
    exchange.take(rest);
    void Promise.all([standing(exchange), exchange.bodyEnd]).then(() => {
      if (line.exchange === exchange) line.exchange = undefined;
    });
  }

  const server = Bun.listen<Line>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        open += 1;
        socket.data = { input: "", exchange: undefined, closed: Promise.withResolvers() };
      },
      data: receive,
      drain: (socket) => socket.data.exchange?.drain(),
      close(socket) {
        open -= 1;
        socket.data.closed.resolve(performance.now());
        socket.data.exchange?.lose();
      },
      error: (socket) => {
        socket.terminate();
      },
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    port: server.port,
    get open() {
      return open;
    },
    get exchanges() {
      return exchanges;
    },
    answer: (next) => {
      standing = next;
    },
    forget: () => {
      exchanges = exchanges.filter(({ isClosed }) => !isClosed);
    },
    [Symbol.dispose]: () => server.stop(true),
  };
}

function createExchange(socket: Socket<Line>, head: string) {
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  const isChunked = /^transfer-encoding:/im.test(head);
  const bodyEnd = Promise.withResolvers<void>();
  const { closed } = socket.data;
  let isClosed = false;
  let bytesSent = 0;
  let bytesReceived = 0;
  let tail = "";
  let rest: Uint8Array | undefined;
  let taken = Promise.withResolvers<void>();

  /** Gives the kernel what it takes; `drain` goes on with what is left. */
  function push(bytes: Uint8Array): void {
    const sent = Math.max(0, socket.write(bytes));
    bytesSent += sent;
    rest = sent < bytes.length ? bytes.subarray(sent) : undefined;
    if (rest === undefined) taken.resolve();
  }

  return {
    target: head.split(" ", 2)[1] ?? "",
    closed: closed.promise,
    bodyEnd: bodyEnd.promise,
    get isClosed() {
      return isClosed;
    },
    get bytesSent() {
      return bytesSent;
    },
    get bytesReceived() {
      return bytesReceived;
    },
    async write(bytes: string | Uint8Array) {
      if (isClosed) return;
      taken = Promise.withResolvers();
      push(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
      await taken.promise;
    },
    stopReading: () => {
      socket.pause();
    },
    readOn: () => {
      socket.resume();
    },
    cut: () => {
      socket.terminate();
    },
    drain: () => rest && push(rest),
    take(bytes: Buffer) {
      bytesReceived += bytes.length;
      if (isChunked)
        tail = (tail + bytes.subarray(-lastChunk.length).toString("latin1")).slice(-lastChunk.length);
      if (isChunked ? tail === lastChunk : bytesReceived >= length) bodyEnd.resolve();
    },
    lose() {
      isClosed = true;
      taken.resolve();
      bodyEnd.resolve();
    },
  };
}

/** The head of a stream of events. */
export const streamHead =
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/** One event as one chunk; "" is the last chunk. */
export function eventChunk(data: string): string {
  if (data === "") return lastChunk;
  const event = `data: ${data}\n\n`;
  return `${event.length.toString(16)}\r\n${event}\r\n`;
}

/** A whole JSON answer. */
export function jsonAnswer(body: string, status = 200): string {
  return `HTTP/1.1 ${status} Status\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

const blockBytes = 64 * 1024;
const block = new Uint8Array(blockBytes).fill(102);

/** An answer of known length, as fast as it is taken. */
export async function flood(exchange: Exchange, bytes: number): Promise<void> {
  const type = "Content-Type: application/octet-stream";
  await exchange.write(`HTTP/1.1 200 OK\r\n${type}\r\nContent-Length: ${bytes}\r\n\r\n`);
  for (let left = bytes; left > 0 && !exchange.isClosed; left -= blockBytes)
    await exchange.write(left < blockBytes ? block.subarray(0, left) : block);
}

/** Reads all bodies at that pace for that long, then as fast as they come: one that stands still sees no close. */
export async function readUploadsSlowly(
  provider: Provider,
  bytesPerSecond: number,
  durationMs: number,
): Promise<void> {
  await slowly(durationMs, (elapsedMs) => {
    for (const exchange of provider.exchanges) {
      if (exchange.bytesReceived > (bytesPerSecond * elapsedMs) / 1000) exchange.stopReading();
      else exchange.readOn();
    }
  });
  for (const exchange of provider.exchanges) exchange.readOn();
}
