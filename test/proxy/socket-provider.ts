import { type AddressInfo, createServer, type Socket } from "node:net";
import { openLab } from "./lab.ts";

/** What a provider heard over one connection, as text. */
export interface Heard {
  readonly socket: Socket;
  /** The requests on it so far, this one included. */
  readonly count: number;
  readonly id: string;
  readonly body: string;
}

/** The `X-Id` of a request's head. */
export const idOf = (text: string) => /x-id: (\S+)/i.exec(text)?.[1] ?? "";

/** A provider at the level of sockets, and a project of the server in front of it. `answer` is told each whole request. */
export async function openAtSockets(
  answer: (heard: Heard) => void,
  onSocket: (socket: Socket) => void = () => {},
) {
  const sockets: Socket[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.push(socket);
    let unread = "";
    let count = 0;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      unread += bytes.toString("latin1");
      for (;;) {
        const end = unread.indexOf("\r\n\r\n") + 4;
        const length = Number(/content-length: (\d+)/i.exec(unread.slice(0, end))?.[1] ?? 0);
        if (end < 4 || unread.length < end + length) return;
        const head = unread.slice(0, end);
        const body = unread.slice(end, end + length);
        unread = unread.slice(end + length);
        count++;
        answer({ socket, count, id: idOf(head), body });
      }
    });
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const lab = await openLab({
    env: { CIRCUIT_BREAKER_THRESHOLD: "0" },
    providers: `  sockets: {base_url: "http://127.0.0.1:${port}", allowed_methods: [GET, POST, DELETE], allowed_endpoints: ["/*"], timeouts: {response_header: 300ms}}\n`,
  });
  const project = await lab.app.newProject({ provider: "sockets" });
  const { token } = await lab.app.newToken(project.id);
  let ids = 0;
  return {
    lab,
    port,
    sockets,
    /** A request with an id and a body of its own. */
    async call(method = "POST") {
      const id = `id-${ids++}`;
      const headers = [["X-Id", id]] as const;
      const body = method === "POST" ? { body: JSON.stringify({ id, pad: "p".repeat(2_000) }) } : {};
      return { id, answer: await lab.call("/v1/x", { token, method, headers, ...body }) };
    },
    async [Symbol.asyncDispose]() {
      await lab[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** An answer of that text, in one piece. */
export function textAnswer(text: string, more = ""): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n${more}\r\n${text}`;
}
