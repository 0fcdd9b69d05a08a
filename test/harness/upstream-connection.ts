import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Body,
  type BodyReader,
  type Bytes,
  createBodyReader,
  type Headers,
  parseHead,
  requestFraming,
} from "./http-message.ts";
import { DEADLINE_MS, within } from "./mailbox.ts";

/** All times here are milliseconds of `performance.now()`. */
export interface Close {
  /** Who closed first. */
  readonly by: "peer" | "upstream";
  readonly kind: "fin" | "rst";
  readonly atMs: number;
}

/** One accepted connection, as a test sees it. */
export interface Connection {
  /** 0 for the first that was accepted. */
  readonly number: number;
  readonly acceptedAtMs: number;
  /** Undefined while it is open. */
  readonly close: Close | undefined;
  /** Bytes that the kernel took from us so far, counted by whole writes. */
  readonly bytesSent: number;
  /** Bytes that came and belong to no request: a head that is not whole, or what follows the last body. */
  readonly unclaimed: Buffer;
  /** The close, as soon as there is one. @throws {Error} past the deadline */
  closed(deadlineMs?: number): Promise<Close>;
  destroy(): void;
}

/** A request whose head came whole. */
export interface ReceivedRequest {
  readonly connection: Connection;
  readonly method: string;
  /** As on the request line: `/v1/models?limit=2`. */
  readonly target: string;
  readonly headers: Headers;
  readonly headBytes: Buffer;
  readonly headAtMs: number;
  readonly body: Body;
  /** The body, once it has come whole. @throws {Error} past the deadline */
  wholeBody(deadlineMs?: number): Promise<Body>;
}

/** What a step can do. Every call gives up when the peer closes, which ends the script. */
export interface Link {
  readonly request: ReceivedRequest | undefined;
  /** Until the body has come whole, or at least this many decoded bytes of it. */
  readBody(bytesMin?: number): Promise<void>;
  /** One write, one segment as far as its size allows; settles when the kernel has taken all of it. */
  write(bytes: Bytes): Promise<void>;
  pause(ms: number): Promise<void>;
  hold(): Promise<never>;
  /** Says that nothing more will be sent; what the peer still sends is taken. */
  fin(): void;
  reset(): void;
  /** A peer that closes in order is not noticed from here on; one that resets is. */
  stopReading(): void;
}

/** One step of a script; steps run one after the other. */
export type Step = (link: Link) => void | Promise<void>;

interface Plan {
  readonly number: number;
  readonly onAccept: readonly Step[];
  readonly keepBodies: boolean;
  /** Called once for each head. */
  scriptFor(request: ReceivedRequest): readonly Step[];
}

/** How a script learns that its connection has gone. */
class Gone extends Error {
  constructor() {
    super("The connection of the fake upstream has closed");
  }
}

/** Serves requests until the connection closes. `done` rejects with what a step threw of itself. */
export function serveConnection(
  socket: Socket,
  plan: Plan,
): { readonly connection: Connection; readonly done: Promise<void> } {
  const line = openLine(socket, plan.number);
  return { connection: line.connection, done: serve(line, plan) };
}

async function serve(line: Line, plan: Plan): Promise<void> {
  let current: { request: ReceivedRequest; body: BodyReader } | undefined;
  const readBody = (bytesMin = Number.POSITIVE_INFINITY): Promise<void> => {
    const body = current?.body;
    return line.until(() => body === undefined || body.complete || body.length >= bytesMin);
  };
  const link: Link = {
    ...line.actions,
    get request() {
      return current?.request;
    },
    readBody,
  };
  try {
    for (const step of plan.onAccept) await step(link);
    for (;;) {
      current = await line.nextRequest(plan.keepBodies);
      for (const step of plan.scriptFor(current.request)) await step(link);
      await readBody();
    }
  } catch (fault) {
    if (fault instanceof Gone) return;
    line.connection.destroy();
    throw fault;
  }
}

type Line = ReturnType<typeof openLine>;

/** The socket with what came over it, and calls that wait for more. */
function openLine(socket: Socket, number: number) {
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => undefined);
  const closing = Promise.withResolvers<Close>();
  const leaving = new AbortController();
  let unclaimed: Buffer = Buffer.alloc(0);
  let body: BodyReader | undefined;
  let news = Promise.withResolvers<void>();
  let close: Close | undefined;
  let bytesSent = 0;

  const recordClose = (by: Close["by"], kind: Close["kind"]): void => {
    if (close !== undefined) return;
    close = { by, kind, atMs: performance.now() };
    closing.resolve(close);
    gone.reject(new Gone());
    leaving.abort();
  };
  const whileOpen = <T>(work: Promise<T>): Promise<T> => Promise.race([gone.promise, work]);
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await whileOpen(news.promise);
  };

  socket.on("data", (bytes: Buffer) => {
    const rest = body?.accept(bytes) ?? bytes;
    unclaimed = Buffer.concat([unclaimed, rest]);
    news.resolve();
    news = Promise.withResolvers();
  });
  socket.on("end", () => {
    recordClose("peer", "fin");
    socket.end();
  });
  socket.on("error", () => recordClose("peer", "rst"));
  socket.on("close", () => recordClose("peer", "fin"));

  const connection: Connection = {
    number,
    acceptedAtMs: performance.now(),
    get close() {
      return close;
    },
    get bytesSent() {
      return bytesSent;
    },
    get unclaimed() {
      return unclaimed;
    },
    closed: (deadlineMs = DEADLINE_MS) =>
      within(closing.promise, deadlineMs, () => `close of connection ${number} of the fake upstream`),
    destroy: () => {
      recordClose("upstream", "rst");
      socket.resetAndDestroy();
    },
  };

  return {
    connection,
    until,
    async nextRequest(keepBody: boolean) {
      await until(() => unclaimed.includes("\r\n\r\n"));
      const head = parseHead(unclaimed);
      if (head === undefined) throw new Gone();
      const reader = createBodyReader(requestFraming(head.headers), keepBody);
      body = reader;
      unclaimed = reader.accept(unclaimed.subarray(head.bytes.length));
      const [method = "", target = ""] = head.startLine.split(" ");
      const request: ReceivedRequest = {
        connection,
        method,
        target,
        headers: head.headers,
        headBytes: head.bytes,
        headAtMs: performance.now(),
        body: reader,
        wholeBody: async (deadlineMs = DEADLINE_MS) => {
          const whole = until(() => reader.complete);
          await within(whole, deadlineMs, () => `end of the body of ${method} ${target}`);
          return reader;
        },
      };
      return { request, body: reader };
    },
    actions: {
      async write(bytes: Bytes) {
        const taken = Promise.withResolvers<void>();
        socket.write(bytes, () => taken.resolve());
        await whileOpen(taken.promise);
        bytesSent += Buffer.byteLength(bytes);
      },
      pause: (ms: number) => whileOpen(delay(ms, undefined, { signal: leaving.signal })),
      hold: () => whileOpen(gone.promise),
      fin: () => {
        recordClose("upstream", "fin");
        socket.end();
      },
      reset: () => connection.destroy(),
      stopReading: () => {
        socket.pause();
      },
    },
  };
}
