import type { Caller, CallOptions } from "./caller.ts";
import type { Lab } from "./lab.ts";
import { defineLoad, type Figure, percentile, until } from "./load.ts";
import { type Answer, type Exchange, eventChunk, flood, jsonAnswer, streamHead } from "./provider.ts";

const mib = 2 ** 20;
/** Lets what is on its way arrive, so that each client leaves in the phase that is meant. */
const settleMs = 5;

/** Where a request stands when its client leaves. */
interface Phase {
  readonly name: string;
  readonly options?: Partial<CallOptions>;
  readonly answer: Answer;
  /** Brings the request there. */
  reach(caller: Caller): Promise<unknown>;
  /** Calls that succeed in between: they earn the retry (see docs/providers.md). */
  readonly callsBetween?: number;
}

const held: Answer = (exchange) => exchange.closed.then(() => {});
const endlessFlood: Answer = (exchange) => flood(exchange, 1024 * mib);

const phases: readonly Phase[] = [
  {
    name: "while uploading",
    options: { bodyBytes: 64 * mib },
    answer: held,
    reach: (caller) => caller.upload(2 * mib),
  },
  { name: "before headers", answer: held, reach: () => Bun.sleep(settleMs) },
  {
    name: "just when the headers come",
    answer: async (exchange) => {
      await Bun.sleep(settleMs);
      await exchange.write(streamHead);
      await exchange.closed;
    },
    reach: () => Bun.sleep(2 * settleMs * Math.random()),
  },
  {
    name: "between chunks",
    answer: async (exchange) => {
      await exchange.write(streamHead + eventChunk("first"));
      await exchange.closed;
    },
    reach: (caller) => caller.firstByte,
  },
  { name: "in a flood", answer: endlessFlood, reach: (caller) => caller.firstByte },
  {
    name: "as a slow reader",
    answer: endlessFlood,
    async reach(caller) {
      await caller.firstByte;
      caller.stopReading();
      await Bun.sleep(4 * settleMs);
    },
  },
];

/** The provider's first answer is a 500, which it tells to be repeated at once; the second does not come. */
function duringRetry(): Phase {
  let attempts = 0;
  return {
    name: "during a retry",
    answer: async (exchange) => {
      if (exchange.target.endsWith("/earn")) return await exchange.write(jsonAnswer("{}"));
      attempts += 1;
      if (attempts % 2 === 0) return await held(exchange);
      const head = "HTTP/1.1 500 Oops\r\nretry-after-ms: 1\r\nContent-Length: 0\r\n\r\n";
      return await exchange.write(head);
    },
    async reach() {
      const due = attempts + (attempts % 2 === 0 ? 2 : 1);
      await until(() => attempts >= due, "second attempt");
    },
    callsBetween: 10,
  };
}

/** A client's going away must reach the provider at once, wherever the request stands. */
export const hangUps = defineLoad({
  name: "hang-ups",
  caseId: "TMO-103",
  sizes: { full: { times: 200 }, quick: { times: 20 } },
  describe: ({ times }) => `${times} clients leave in each phase, one after the other, half of them by RST`,
  async run(lab, { times }) {
    const figures: Figure[] = [];
    for (const phase of [...phases, duringRetry()]) {
      const tookMs: number[] = [];
      for (let index = 0; index < times; index++) tookMs.push(await leaveIn(lab, phase, index));
      const name = phase.name;
      figures.push({ name: `${name}, p50`, unit: "ms", measured: percentile(tookMs, 0.5) });
      figures.push({ name: `${name}, slowest`, unit: "ms", measured: Math.max(...tookMs), max: 250 });
    }
    const left = await lab.leftInFlight();
    return [...figures, { name: "requests left in flight", unit: "", measured: left, max: 0 }];
  },
});

/** @returns ms from the client's leaving until the provider saw its connection close */
async function leaveIn(lab: Lab, phase: Phase, index: number): Promise<number> {
  lab.provider.answer(phase.answer);
  for (let calls = 0; calls < (phase.callsBetween ?? 0); calls++) await (await lab.call("/v1/earn")).end;
  lab.provider.forget();
  const caller = await lab.call("/v1/chat/completions", phase.options);
  await Promise.all([phase.reach(caller), until(() => isAsked(lab.provider.exchanges), "request")]);
  const exchange = lab.provider.exchanges.filter(isChat).at(-1);
  const leftAtMs = performance.now();
  caller.leave(index % 2 === 0 ? "fin" : "reset");
  const closedAtMs = (await exchange?.closed) ?? Number.NaN;
  return closedAtMs - leftAtMs;
}

function isChat({ target }: Exchange): boolean {
  return target === "/v1/chat/completions";
}

function isAsked(exchanges: readonly Exchange[]): boolean {
  return exchanges.some((exchange) => isChat(exchange) && !exchange.isClosed);
}
