import { connect as connectTcp, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import {
  type Arrival,
  type Body,
  type Bytes,
  createBodyReader,
  type Head,
  type Headers,
  parseHead,
  responseFraming,
  statusOf,
  toBuffer,
} from "./http-message.ts";
import { DEADLINE_MS, within } from "./mailbox.ts";

/** How a response came to its end. */
export type Ending =
  /** Its framing says it is whole; the connection is still open. */
  | "complete"
  /** The peer closed in order. Whether the message was whole says `complete`. */
  | "fin"
  | "reset"
  /** The deadline passed while the connection was still open. */
  | "timeout";

export interface RawResponse {
  readonly ending: Ending;
  /** The message is whole as HTTP has it: a chunked body without its last chunk is not. */
  readonly complete: boolean;
  /** NaN when no head came. */
  readonly status: number;
  readonly headers: Headers;
  /** Head bytes as they came, empty when none came whole. */
  readonly headBytes: Buffer;
  /** `performance.now()` when the head was whole; undefined when it never was. */
  readonly headAtMs: number | undefined;
  /** Heads of 1xx answers that came before. */
  readonly interim: readonly Head[];
  readonly body: Body;
}

export interface ReadOptions {
  /** Of the request; HEAD is answered without a body. Default GET. */
  readonly method?: string;
  readonly deadlineMs?: number;
}

/** A socket that shows what a client library hides. Use: `using client = await connectRaw(port);` */
export interface RawClient extends Disposable {
  /** Everything that came over this connection. */
  readonly arrivals: readonly Arrival[];
  /** Writes each piece by itself; a number between them is a pause in milliseconds. */
  send(...pieces: readonly (Bytes | number)[]): Promise<void>;
  /**
   * Reads one response to its end, however that comes; never throws. Called again, it reads the next one on the
   * connection, or after a "timeout" the same one from its start.
   */
  response(options?: ReadOptions): Promise<RawResponse>;
  /** Waits until this text has come. @throws {Error} when the deadline passes or the connection ends before */
  until(text: string, deadlineMs?: number): Promise<void>;
  stopReading(): void;
  resumeReading(): void;
  /** Says that nothing more will be sent; still reads. */
  fin(): void;
  /** Closes both ways in order, as a client that goes away. */
  close(): void;
  reset(): void;
}

/** @param tls speaks TLS and takes any certificate */
export async function connectRaw(port: number, tls = false): Promise<RawClient> {
  const options = { port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true };
  const socket = tls ? connectTls({ ...options, rejectUnauthorized: false }) : connectTcp(options);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.once(tls ? "secureConnect" : "connect", () => resolve());
  });
  const inbox = watch(socket);
  return {
    arrivals: inbox.arrivals,
    async send(...pieces) {
      for (const piece of pieces) {
        if (typeof piece === "number") await delay(piece);
        else await Promise.race([new Promise((done) => socket.write(piece, done)), inbox.over]);
      }
    },
    response: (options) => readResponse(inbox, options),
    async until(text, deadlineMs = DEADLINE_MS) {
      const come = (): boolean => Buffer.concat(inbox.arrivals.map(({ bytes }) => bytes)).includes(text);
      const what = () => `${JSON.stringify(text)} from the server (connection: ${inbox.ended() ?? "open"})`;
      const waiting = (async () => {
        while (!come() && inbox.ended() === undefined) await inbox.news();
      })();
      await within(waiting, deadlineMs, what);
      if (!come()) throw new Error(`No ${what()}`);
    },
    stopReading: () => {
      socket.pause();
    },
    resumeReading: () => {
      socket.resume();
    },
    fin: () => {
      socket.end();
    },
    close: () => {
      socket.destroy();
    },
    reset: () => {
      socket.resetAndDestroy();
    },
    [Symbol.dispose]: () => {
      socket.destroy();
    },
  };
}

/** Sends one request on a connection of its own and reads the response. */
export async function exchange(
  port: number,
  request: Bytes,
  options: ReadOptions = {},
): Promise<RawResponse> {
  using client = await connectRaw(port);
  const method = options.method ?? toBuffer(request).toString("latin1").split(" ", 1)[0] ?? "GET";
  const [response] = await Promise.all([client.response({ ...options, method }), client.send(request)]);
  return response;
}

type Inbox = ReturnType<typeof watch>;

function watch(socket: Socket) {
  const arrivals: Arrival[] = [];
  const over = Promise.withResolvers<void>();
  let ended: "fin" | "reset" | undefined;
  let news = Promise.withResolvers<void>();
  const tell = (): void => {
    news.resolve();
    news = Promise.withResolvers();
  };
  const end = (how: "fin" | "reset"): void => {
    ended ??= how;
    over.resolve();
    tell();
  };
  socket.on("data", (bytes: Buffer) => {
    arrivals.push({ atMs: performance.now(), bytes });
    tell();
  });
  socket.on("end", () => end("fin"));
  socket.on("error", () => end("reset"));
  socket.on("close", () => end("fin"));
  return {
    arrivals,
    /** Where the next response starts: an arrival and a place in its bytes. */
    next: { index: 0, offset: 0 },
    over: over.promise,
    ended: () => ended,
    news: () => news.promise,
  };
}

async function readResponse(inbox: Inbox, options: ReadOptions = {}): Promise<RawResponse> {
  const { method = "GET", deadlineMs = DEADLINE_MS } = options;
  const message = createMessage(method);
  let { index, offset } = inbox.next;

  const takeWhatCame = (): void => {
    for (
      let arrival = inbox.arrivals[index];
      arrival && !message.isWhole();
      arrival = inbox.arrivals[index]
    ) {
      const rest = message.accept(arrival.bytes.subarray(offset), arrival.atMs);
      offset = arrival.bytes.length - rest.length;
      if (rest.length > 0) continue;
      index += 1;
      offset = 0;
    }
  };
  const readOn = async (): Promise<Ending> => {
    for (;;) {
      takeWhatCame();
      const ended = message.isWhole() ? "complete" : inbox.ended();
      if (ended !== undefined) return ended;
      await inbox.news();
    }
  };
  const ending = await within(readOn(), deadlineMs, () => "end of the response").catch(
    () => "timeout" as const,
  );
  if (ending !== "timeout") inbox.next = { index, offset };
  return message.response(ending);
}

/** Gathers one response: interim heads, the head, the body. */
function createMessage(method: string) {
  const interim: Head[] = [];
  let opening: Buffer = Buffer.alloc(0);
  let head: Head | undefined;
  let headAtMs: number | undefined;
  let body = createBodyReader({ kind: "none" });

  const takeHeads = (atMs: number): Buffer => {
    for (let found = parseHead(opening); found !== undefined; found = parseHead(opening)) {
      opening = opening.subarray(found.bytes.length);
      if (isInterim(found)) {
        interim.push(found);
        continue;
      }
      head = found;
      headAtMs = atMs;
      body = createBodyReader(responseFraming(found, method));
      return opening;
    }
    return Buffer.alloc(0);
  };
  return {
    isWhole: () => head !== undefined && body.complete,
    /** Gives back what belongs to the next message. */
    accept(bytes: Buffer, atMs: number): Buffer {
      if (head !== undefined) return body.accept(bytes, atMs);
      opening = Buffer.concat([opening, bytes]);
      const rest = takeHeads(atMs);
      return body.accept(rest, atMs);
    },
    response(ending: Ending): RawResponse {
      if (ending === "fin") body.connectionEnded();
      return {
        ending,
        complete: head !== undefined && body.complete,
        status: head === undefined ? Number.NaN : statusOf(head),
        headers: head?.headers ?? [],
        headBytes: head?.bytes ?? Buffer.alloc(0),
        headAtMs,
        interim,
        body,
      };
    },
  };
}

function isInterim(head: Head): boolean {
  const status = statusOf(head);
  return status >= 100 && status < 200 && status !== 101;
}
