/** The provider and the callers of heap.test.ts, in a process of their own so that what they keep is not counted. */
import { call } from "../../bench/soak/caller.ts";
import { inTurns } from "../../bench/soak/load.ts";
import { eventChunk, jsonAnswer, startProvider, streamHead } from "../../bench/soak/provider.ts";

const provider = startProvider(async (exchange) => {
  const { target } = exchange;
  if (target.includes("/broken")) return exchange.cut();
  if (target.includes("/failing")) return await exchange.write(jsonAnswer("{}", 429));
  if (target.includes("/json")) return await exchange.write(jsonAnswer('{"choices":[]}'));
  await exchange.write(streamHead + eventChunk("first"));
  if (target.includes("/left")) await exchange.closed;
  else await exchange.write(eventChunk("[DONE]") + eventChunk(""));
});

/** One of each kind in turn; the path and the model are new each time. */
const kinds = ["json", "stream", "failing", "broken", "left"];

async function send(index: number, port: number, token: string): Promise<void> {
  const kind = kinds[index % kinds.length];
  const name = Math.random().toString(36).slice(2);
  const caller = await call({ port, token, target: `/v1/${kind}/${name}`, model: `model-${name}` });
  if (kind === "left") {
    await Promise.race([caller.firstByte, Bun.sleep(Math.random() * 5)]);
    caller.leave(index % 2 === 0 ? "reset" : "fin");
  }
  await caller.end;
}

process.stdout.write(`${provider.port}\n`);
// Each line is a round: port, how many requests, and the tokens to use in turn. It is answered with a line.
for await (const line of console) {
  const [port = "", count = "", ...tokens] = line.split(" ");
  await inTurns(Number(count), 10, (index) => send(index, Number(port), tokens[index % tokens.length] ?? ""));
  provider.forget();
  process.stdout.write("done\n");
}
