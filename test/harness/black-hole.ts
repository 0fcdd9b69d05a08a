import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** A port on this machine that takes no connection and refuses none, as one behind a firewall that drops packets. */
export interface BlackHole extends Disposable {
  readonly address: string;
  readonly port: number;
}

const listen = `
  const server = require("node:net").createServer();
  server.listen({ host: process.argv[1], port: Number(process.argv[2]), backlog: 1 }, () => process.stdout.write(String(server.address().port)));
`;

/** A listener that is stopped and whose queue is full: Linux drops what asks for more. `port` 0 is a free one. */
export async function startBlackHole(address: string, port = 0): Promise<BlackHole> {
  const child = Bun.spawn([process.execPath, "-e", listen, address, String(port)], {
    stdout: "pipe",
    env: { ...process.env, BUN_BE_BUN: "1" },
  });
  const { value } = await child.stdout.getReader().read();
  const taken = Number(new TextDecoder().decode(value));
  child.kill("SIGSTOP");
  const filling: Socket[] = [];
  for (let isFull = false; !isFull; ) {
    const socket = connect({ host: address, port: taken });
    filling.push(socket);
    const opened = new Promise<boolean>((resolve) => socket.once("connect", () => resolve(true)));
    socket.on("error", () => {});
    isFull = !(await Promise.race([opened, delay(200, false)]));
  }
  return {
    address,
    port: taken,
    [Symbol.dispose]() {
      for (const socket of filling) socket.destroy();
      child.kill("SIGKILL");
    },
  };
}
