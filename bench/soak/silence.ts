import { defineLoad } from "./load.ts";
import { eventChunk, jsonAnswer, streamHead } from "./provider.ts";

/** A model may think for long: nothing of ours and nothing of the runtime may cut it. */
export const silence = defineLoad({
  name: "silence",
  caseId: "TMO-102",
  sizes: { full: { seconds: 400 }, quick: { seconds: 14 } },
  describe: ({ seconds }) => `${seconds} s of silence before the headers, and after the first event`,
  async run(lab, { seconds }) {
    lab.provider.answer(async (exchange) => {
      const isStream = exchange.target.endsWith("/stream");
      if (isStream) await exchange.write(streamHead + eventChunk("first"));
      await Promise.race([Bun.sleep(seconds * 1000), exchange.closed]);
      await exchange.write(isStream ? eventChunk("last") + eventChunk("") : jsonAnswer("{}"));
    });
    const callers = await Promise.all([lab.call("/v1/answer"), lab.call("/v1/stream")]);
    const ends = await Promise.all(callers.map(({ end }) => end));
    return ["before the headers", "after the first event"].map((name, index) => ({
      name: `${name}: not whole`,
      unit: "" as const,
      measured: ends[index]?.isWhole ? 0 : 1,
      max: 0,
    }));
  },
});
