import type { Lab } from "./lab.ts";
import { defineLoad, inTurns } from "./load.ts";
import { type Answer, eventChunk, streamHead } from "./provider.ts";
import { slowly } from "./slowly.ts";

const atOnce = 100;
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
    full: { first: 1_000, rounds: [2_000, 20_000, 20_000, 20_000], leaveMs: [10, 500], idleMs: 30_000 },
    quick: { first: 100, rounds: [1_900], leaveMs: [5, 50], idleMs: 12_000 },
  },
  describe: ({ first, rounds, leaveMs, idleMs }) =>
    `${first}, then ${rounds.join(", ")} streams of 256 KiB and more, left after ${leaveMs.join(" to ")} ms, ${atOnce} at once; ${idleMs / 1000} s idle after each round`,
  async run(lab, { first, rounds, leaveMs, idleMs }) {
    lab.provider.answer(endless);
    const [leastMs = 0, mostMs = 0] = leaveMs;
    const leaveAfterMs = () => leastMs + Math.random() * (mostMs - leastMs);
    const filesBefore = lab.openFiles();
    await abort(lab, first, leaveAfterMs);
    const settled = [await settledMib(lab, idleMs)];
    for (const count of rounds) {
      await abort(lab, count, leaveAfterMs);
      settled.push(await settledMib(lab, idleMs));
    }
    const [afterFirst = Number.NaN, ...afterRounds] = settled;
    const lastGrowth = (settled.at(-1) ?? Number.NaN) - (settled.at(-2) ?? Number.NaN);
    return [
      { name: `memory after the first ${first}`, unit: "MiB", measured: afterFirst },
      ...rounds.map((count, index) => ({
        name: `memory after ${count} more, above that`,
        unit: "MiB" as const,
        measured: (afterRounds[index] ?? Number.NaN) - afterFirst,
        max: 40,
      })),
      {
        name: "memory, last round above the one before",
        unit: "MiB",
        measured: lastGrowth,
        max: rounds.length > 1 ? 16 : undefined,
      },
      { name: "connections left at the provider", unit: "", measured: lab.provider.open, max: 0 },
      { name: "file descriptors above the start", unit: "", measured: lab.openFiles() - filesBefore, max: 3 },
      { name: "requests left in flight", unit: "", measured: await lab.leftInFlight(), max: 0 },
    ];
  },
});

/** The runtime collects and gives back about 10 s after the last request: the least that was seen in that time. */
async function settledMib(lab: Lab, idleMs: number): Promise<number> {
  let least = lab.memoryMib();
  await slowly(idleMs, () => {
    least = Math.min(least, lab.memoryMib());
  });
  return least;
}

async function abort(lab: Lab, count: number, leaveAfterMs: () => number): Promise<void> {
  await inTurns(count, atOnce, async (index) => {
    const caller = await lab.call("/v1/chat/completions");
    await Bun.sleep(leaveAfterMs());
    caller.leave(index % 2 === 0 ? "fin" : "reset");
    await caller.end;
    if (index % 1000 === 0) lab.provider.forget();
  });
}
