import { type AppInProcess, startApp } from "../harness/app-in-process.ts";
import { createMailbox, type Mailbox, within } from "../harness/mailbox.ts";
import type { ProxyOptions } from "../harness/proxy-process.ts";
import type { UsageRow } from "./lab.ts";

/** The header lines of a handshake by hand. */
export const handshake: readonly (readonly [string, string])[] = [
  ["Connection", "Upgrade"],
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Version", "13"],
  ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
];

/** The subprotocol that carries a credential. */
export const keyed = (text: string) => `openai-insecure-api-key.${text}`;

export type Message = string | Buffer;

/** How an end saw its socket close. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** One end of an open WebSocket, with all that came to it. */
export interface End<Socket> {
  readonly socket: Socket;
  readonly received: Mailbox<Message>;
  readonly pings: Mailbox<string>;
  closed(deadlineMs?: number): Promise<Closed>;
}

type ServerSocket = Bun.ServerWebSocket<{ end?: ReturnType<typeof createEnd<ServerSocket>> }>;
export type UpstreamEnd = End<ServerSocket>;
export type ClientEnd = End<WebSocket>;

function createEnd<Socket>(socket: Socket, name: string) {
  const closing = Promise.withResolvers<Closed>();
  return {
    socket,
    received: createMailbox<Message>(() => `message to the ${name}`),
    pings: createMailbox<string>(() => `ping to the ${name}`),
    close: closing.resolve,
    closed: (deadlineMs = 5_000) => within(closing.promise, deadlineMs, () => `close of the ${name}`),
  };
}

/** A provider that speaks WebSocket, and writes down what is asked of it. */
export interface SocketUpstream extends AsyncDisposable {
  readonly origin: string;
  readonly handshakes: readonly { readonly target: string; readonly headers: Headers }[];
  /** The sockets that were opened, in their order. */
  readonly ends: readonly UpstreamEnd[];
  /** What the next handshakes are answered with instead of an upgrade. */
  refuseWith(response: (() => Response | Promise<Response>) | undefined): void;
  /** Chooses among the subprotocols that are offered; the default is the first. */
  choose(pick: ((offered: readonly string[]) => string | undefined) | undefined): void;
  onOpen(act: (end: UpstreamEnd) => void): void;
  onMessage(act: (end: UpstreamEnd, message: Message) => void): void;
}

/** Starts one that says nothing by itself. */
export function startSocketUpstream(tls?: Bun.TLSOptions): SocketUpstream {
  const handshakes: { readonly target: string; readonly headers: Headers }[] = [];
  const ends: UpstreamEnd[] = [];
  let refusal: Parameters<SocketUpstream["refuseWith"]>[0];
  let pick: Parameters<SocketUpstream["choose"]>[0];
  let opened: Parameters<SocketUpstream["onOpen"]>[0] = () => {};
  let told: Parameters<SocketUpstream["onMessage"]>[0] = () => {};
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    ...(tls && { tls }),
    async fetch(request, self) {
      const { pathname, search } = new URL(request.url);
      handshakes.push({ target: pathname + search, headers: request.headers });
      if (refusal !== undefined) return await refusal();
      const offered = request.headers.get("sec-websocket-protocol")?.split(", ") ?? [];
      const chosen = pick?.(offered) ?? offered[0];
      self.upgrade(request, { data: {}, headers: chosen ? { "sec-websocket-protocol": chosen } : {} });
      return undefined;
    },
    websocket: {
      data: {} as ServerSocket["data"],
      idleTimeout: 0,
      maxPayloadLength: 64 << 20,
      backpressureLimit: 0,
      open(socket) {
        socket.data.end = createEnd(socket as ServerSocket, "upstream");
        ends.push(socket.data.end);
        opened(socket.data.end);
      },
      message({ data: { end } }, message) {
        end?.received.push(message);
        if (end !== undefined) told(end, message);
      },
      ping: ({ data }, payload) => data.end?.pings.push(payload.toString()),
      close: ({ data }, code, reason) => data.end?.close({ code, reason }),
    },
  });
  return {
    origin: `${tls ? "https" : "http"}://127.0.0.1:${server.port}`,
    handshakes,
    ends,
    refuseWith: (response) => {
      refusal = response;
    },
    choose: (next) => {
      pick = next;
    },
    onOpen: (act) => {
      opened = act;
    },
    onMessage: (act) => {
      told = act;
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

/** Opens a client's WebSocket. @throws {Error} with the runtime's message when the handshake is refused */
export async function openClient(url: string, options: Bun.WebSocketOptions = {}): Promise<ClientEnd> {
  const socket = new WebSocket(url, options);
  const end = createEnd(socket, "client");
  const opening = Promise.withResolvers<void>();
  socket.binaryType = "nodebuffer";
  socket.onopen = () => opening.resolve();
  socket.onerror = (event) => opening.reject(new Error((event as ErrorEvent).message));
  socket.onmessage = ({ data }) => end.received.push(data as Message);
  socket.onclose = ({ code, reason }) => end.close({ code, reason });
  await within(opening.promise, 5_000, () => `open WebSocket at ${url}`);
  return end;
}

/** The server in front of a provider that speaks WebSocket, and a project with a token. */
export interface SocketLab extends AsyncDisposable {
  readonly upstream: SocketUpstream;
  readonly app: AppInProcess;
  readonly project: { readonly id: string };
  readonly token: string;
  readonly tokenId: string;
  /** A token of a project of its own. */
  tokenOf(
    provider: string,
    fields?: Record<string, unknown>,
  ): Promise<{ readonly project: { readonly id: string }; readonly token: string; readonly id: string }>;
  /** A pair of ends, joined by the proxy; with the token as Bearer unless other headers are told. */
  pair(
    target?: string,
    options?: Bun.WebSocketOptions,
  ): Promise<{ client: ClientEnd; provider: UpstreamEnd }>;
  /** The usage records of the token, oldest first, as soon as there are that many. */
  records(count: number, tokenId?: string): Promise<readonly (UsageRow & { request_bytes: number })[]>;
}

/** Starts one; `$UPSTREAM` in `providers` is its address. */
export async function openSocketLab(options: Omit<ProxyOptions, "upstream"> = {}): Promise<SocketLab> {
  const upstream = startSocketUpstream();
  const providers = (options.providers ?? "").replaceAll("$UPSTREAM", upstream.origin);
  const app = await startApp({ ...options, upstream: upstream.origin, providers });
  const project = await app.newProject();
  const { token, id: tokenId } = await app.newToken(project.id);
  return {
    upstream,
    app,
    project,
    token,
    tokenId,
    async tokenOf(provider, fields) {
      const own = await app.newProject({ provider });
      const made = await app.newToken(own.id, fields);
      return { project: own, token: made.token, id: made.id };
    },
    async pair(target = "/v1/realtime", client = { headers: { authorization: `Bearer ${token}` } }) {
      const opened = await openClient(`ws://127.0.0.1:${app.port}${target}`, client);
      // the proxy opens the provider's first
      const provider = upstream.ends.at(-1);
      if (provider === undefined) throw new Error("The provider has no socket");
      return { client: opened, provider };
    },
    async records(count, ofToken = tokenId) {
      const read = async () => {
        for (;;) {
          const { json } = await app.manage("GET", `/requests?page_size=100&token_id=${ofToken}`);
          if (json.requests.length >= count) return json.requests.toReversed();
          await Bun.sleep(10);
        }
      };
      return await within(read(), 5_000, () => `${count} usage records`);
    },
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}
