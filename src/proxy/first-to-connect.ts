import { connect, type Socket } from "node:net";
import { fail, ok, type Result } from "../result.ts";

/** Between one try and the next (RFC 8305, 5). */
const staggerMs = 250;

/**
 * The first of several addresses that takes a connection on the port, tried one after the other without waiting for those
 * that say nothing (RFC 8305); the connections are closed again. `silent` where at least one has said nothing within the time.
 */
export async function firstToConnect(
  addresses: readonly string[],
  port: number,
  withinMs: number,
): Promise<Result<string, "refused" | "silent">> {
  const { promise, resolve } = Promise.withResolvers<Result<string, "refused" | "silent">>();
  const sockets: Socket[] = [];
  const waiting = [...addresses];
  let open = addresses.length;
  let timer: Timer | undefined;
  const tryNext = () => {
    clearTimeout(timer);
    const host = waiting.shift();
    if (host === undefined) return;
    timer = setTimeout(tryNext, staggerMs);
    const socket = connect({ host, port });
    sockets.push(socket);
    socket.once("connect", () => resolve(ok(host)));
    socket.on("error", () => {
      open--;
      if (open === 0) resolve(fail("refused"));
      else tryNext();
    });
  };
  const end = setTimeout(() => resolve(fail("silent")), withinMs);
  tryNext();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    clearTimeout(end);
    for (const socket of sockets) socket.destroy();
  }
}
