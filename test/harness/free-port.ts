import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the range that systems pick outgoing ports from, so that no connection of another test takes it meanwhile. */
const PORTS_FROM = 15_000;
const PORTS_TO = 32_000;

/** A port of 127.0.0.1 that nothing listens on, for a process that has to be told its port. */
export async function freePort(): Promise<number> {
  const port = randomInt(PORTS_FROM, PORTS_TO);
  const isFree = await new Promise<boolean>((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
  return isFree ? port : freePort();
}
