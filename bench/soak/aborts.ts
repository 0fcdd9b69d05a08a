import type { Lab } from "./lab.ts";
import { defineLoad, inTurns } from "./load.ts";
import { type Answer, eventChunk, streamHead } from "./provider.ts";

const atOnce = 100;
/** The memory of those that left last is given back a moment later. */
const settleMs = 1_000;
const firstBytes = 256 * 1024;

/** 256 KiB at once, then an event each second until the client has gone. */
const endless: Answer = async (exchange) => {
  await exchange.write(streamHead + eventChunk("x".repeat(firstBytes)));
  const timer = setInterval(() => void exchange.write(eventChunk("more")), 1000);
  await exchange.closed;
  clearInterval(timer);
};

/** Streams that their clients leave must cost nothing once they are gone. */
export const abortedStreams = defineLoad({
  name: "aborted-streams",
  caseId: "RES-102",
  sizes: {
    full: { first: 1_000, rounds: [2_000, 20_000, 20_000, 20_000], leaveMs: [10, 500], idleMs: 60_000 },
    quick: { first: 500, rounds: [500, 500, 500], leaveMs: [5, 50], idleMs: 500 },
  },
  describe: ({ first, rounds, leaveMs, idleMs }) =>
    `${first}, then ${rounds.join(", ")} streams of 256 KiB and more, left after ${leaveMs.join(" to ")} ms, ${atOnce} at once; ${idleMs / 1000} s idle`,
  async run(lab, { first, rounds, leaveMs, idleMs }) {
    lab.provider.answer(endless);
    const [leastMs = 0, mostMs = 0] = leaveMs;
    const filesBefore = lab.openFiles();
    await abort(lab, first, () => leastMs + Math.random() * (mostMs - leastMs));
    await Bun.sleep(settleMs);
    const afterFirst = lab.memoryMib();
    const afterRounds: number[] = [];
    for (const count of rounds) {
      await abort(lab, count, () => leastMs + Math.random() * (mostMs - leastMs));
      await Bun.sleep(settleMs);
      afterRounds.push(lab.memoryMib());
    }
    await Bun.sleep(idleMs);
    const lastGrowth = (afterRounds.at(-1) ?? 0) - (afterRounds.at(-2) ?? 0);
    return [
      ...rounds.map((count, index) => ({
        name: `memory after round ${index + 1} (${count}), above the first ${first}`,
        unit: "MiB" as const,
        measured: (afterRounds[index] ?? Number.NaN) - afterFirst,
      })),
      {
        name: "memory at the end, above the first",
        unit: "MiB",
        measured: lab.memoryMib() - afterFirst,
        max: 40,
      },
      { name: "memory, last round above the one before", unit: "MiB", measured: lastGrowth, max: 16 },
      { name: "connections left at the provider", unit: "", measured: lab.provider.open, max: 0 },
      { name: "file descriptors above the start", unit: "", measured: lab.openFiles() - filesBefore, max: 3 },
      { name: "requests left in flight", unit: "", measured: await lab.leftInFlight(), max: 0 },
    ];
  },
});

async function abort(lab: Lab, count: number, leaveAfterMs: () => number): Promise<void> {
  await inTurns(count, atOnce, async (index) => {
    const caller = await lab.call("/v1/chat/completions");
    await Bun.sleep(leaveAfterMs());
    caller.leave(index % 2 === 0 ? "fin" : "reset");
    await caller.end;
    if (index % 1000 === 0) lab.provider.forget();
  });
}
