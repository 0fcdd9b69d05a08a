import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { createMailbox, type Mailbox } from "./mailbox.ts";
import { type Connection, type ReceivedRequest, type Step, serveConnection } from "./upstream-connection.ts";
import { echo } from "./upstream-steps.ts";

/** What is done with a request once its head has come: steps, or a choice of steps by request. */
export type Answer = readonly Step[] | ((request: ReceivedRequest) => readonly Step[]);

export interface FakeUpstreamOptions {
  /** For every request that no `answerNext` was queued for. Default: `echo()`. */
  readonly answer?: Answer;
  /** Run on every connection before anything is read, such as `[fin()]`. */
  readonly onAccept?: readonly Step[];
  /** PEM texts; without them it speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** False counts and hashes request bodies without keeping them, for uploads of many megabytes. */
  readonly keepBodies?: boolean;
}

/** A provider that does exactly what it is told, byte by byte (cases.md, "The fake upstream"). */
export interface FakeUpstream extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:<port>`, for a provider's `base_url`. */
  readonly origin: string;
  readonly connections: readonly Connection[];
  /** Every request whose head has come whole. */
  readonly requests: readonly ReceivedRequest[];
  /** Changes what is done with requests from now on. */
  answer(answer: Answer): void;
  /** Queues one answer for the next request, in front of `answer`. */
  answerNext(answer: Answer): void;
  /** The oldest request not handed out before, as soon as its head is in. @throws {Error} past the deadline */
  nextRequest(deadlineMs?: number): Promise<ReceivedRequest>;
  /** Cuts every connection and frees the port. @throws what a script threw meanwhile */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts one on 127.0.0.1 and a free port. Use: `await using upstream = await startFakeUpstream();` */
export async function startFakeUpstream(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const connections: Connection[] = [];
  const faults: unknown[] = [];
  const queued: Answer[] = [];
  let standing = options.answer ?? echo();

  const requests: Mailbox<ReceivedRequest> = createMailbox(
    () =>
      `request at the fake upstream (${connections.length} connections, ${requests.all.length} requests so far)`,
  );
  const scriptFor = (request: ReceivedRequest): readonly Step[] => {
    requests.push(request);
    const answer = queued.shift() ?? standing;
    return typeof answer === "function" ? answer(request) : answer;
  };
  const accept = (socket: Socket): void => {
    const served = serveConnection(socket, {
      number: connections.length,
      onAccept: options.onAccept ?? [],
      keepBodies: options.keepBodies ?? true,
      scriptFor,
    });
    connections.push(served.connection);
    served.done.catch((fault) => faults.push(fault));
  };

  const socketOptions = { allowHalfOpen: true, noDelay: true };
  const server = options.tls
    ? createTlsServer({ ...socketOptions, ...options.tls }, accept)
    : createServer(socketOptions, accept);
  const port = await listen(server);
  return {
    port,
    origin: `${options.tls ? "https" : "http"}://127.0.0.1:${port}`,
    connections,
    requests: requests.all,
    answer: (answer) => {
      standing = answer;
    },
    answerNext: (answer) => {
      queued.push(answer);
    },
    nextRequest: requests.next,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
      if (faults.length > 0) throw new AggregateError(faults, "A script of the fake upstream failed");
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
