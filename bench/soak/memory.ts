import { readSlowly } from "./caller.ts";
import { kernelQueueBytes } from "./kernel-queues.ts";
import type { Lab } from "./lab.ts";
import { defineLoad, type Figure, until } from "./load.ts";
import { flood, readUploadsSlowly } from "./provider.ts";

const mib = 2 ** 20;

/** A reader that takes little or nothing must hold the provider back, not fill the memory. */
export const slowReader = defineLoad({
  name: "slow-reader",
  caseId: "TMO-104",
  sizes: {
    full: { answerMib: 1024, bytesPerSecond: 100_000, seconds: 20 },
    quick: { answerMib: 1024, bytesPerSecond: 100_000, seconds: 2 },
  },
  describe: ({ answerMib, bytesPerSecond, seconds }) =>
    `${answerMib} MiB, read at ${bytesPerSecond / 1000} KB/s for ${seconds} s, then the client leaves`,
  run: (lab, size) => holdBack(lab, size),
});

/** The same with a reader that stops altogether. */
export const stoppedReader = defineLoad({
  name: "stopped-reader",
  caseId: "TMO-104",
  sizes: { full: { answerMib: 400, seconds: 10 }, quick: { answerMib: 400, seconds: 2 } },
  describe: ({ answerMib, seconds }) =>
    `${answerMib} MiB, the client reads nothing for ${seconds} s, then leaves`,
  run: (lab, size) => holdBack(lab, { ...size, bytesPerSecond: 0 }),
});

interface HoldBack {
  readonly answerMib: number;
  readonly bytesPerSecond: number;
  readonly seconds: number;
}

async function holdBack(lab: Lab, { answerMib, bytesPerSecond, seconds }: HoldBack): Promise<Figure[]> {
  lab.provider.answer((exchange) => flood(exchange, answerMib * mib));
  using memory = lab.watchMemory();
  const caller = await lab.call("/v1/audio/speech");
  await caller.firstByte;
  const exchange = lab.provider.exchanges.at(-1);
  if (exchange === undefined) throw new Error("The provider has seen no request");
  await readSlowly(caller, bytesPerSecond, seconds * 1000);
  const aheadBytes = exchange.bytesSent - caller.bytesReceived;
  const inKernelBytes = kernelQueueBytes([lab.provider.port, lab.product.port]);
  const growthMib = memory.growthMib();
  const leftAtMs = performance.now();
  caller.leave("reset");
  const closedAfterMs = (await exchange.closed) - leftAtMs;
  return [
    { name: "provider ahead of the client", unit: "MiB", measured: aheadBytes / mib },
    {
      name: "of it in the proxy, not in the kernel",
      unit: "MiB",
      measured: (aheadBytes - inKernelBytes) / mib,
      max: 4,
    },
    { name: "memory, growth", unit: "MiB", measured: growthMib, max: 32 },
    { name: "provider's close after leaving", unit: "ms", measured: closedAfterMs, max: 1000 },
  ];
}

/** A large body must pass without being kept, whatever pace the provider takes it at. */
export const upload = defineLoad({
  name: "upload",
  caseId: "RES-103",
  sizes: { full: { bodyMib: 1024 }, quick: { bodyMib: 256 } },
  describe: ({ bodyMib }) => `${bodyMib} MiB up, as fast as the provider reads`,
  async run(lab, { bodyMib }) {
    lab.provider.answer(async (exchange) => {
      await exchange.bodyEnd;
      await exchange.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    using memory = lab.watchMemory();
    const caller = await lab.call("/v1/files", { bodyBytes: bodyMib * mib });
    await caller.upload();
    const { atMs } = await caller.end;
    const seconds = (atMs - caller.sentAtMs) / 1000;
    const received = lab.provider.exchanges.at(-1)?.bytesReceived ?? 0;
    return [
      { name: "memory, growth", unit: "MiB", measured: memory.growthMib(), max: 64 },
      { name: "MiB that did not arrive", unit: "", measured: Math.max(0, bodyMib - received / mib), max: 0 },
      { name: "throughput", unit: "MB/s", measured: (bodyMib * mib) / 1e6 / seconds },
    ];
  },
});

/** The same with a provider that reads slowly. */
export const slowUpload = defineLoad({
  name: "slow-upload",
  caseId: "RES-103",
  sizes: { full: { bodyMib: 1024, seconds: 20 }, quick: { bodyMib: 1024, seconds: 2 } },
  describe: ({ bodyMib, seconds }) =>
    `${bodyMib} MiB up, the provider reads 1 MB/s for ${seconds} s, then the client leaves`,
  async run(lab, { bodyMib, seconds }) {
    lab.provider.answer(({ bodyEnd }) => bodyEnd);
    using memory = lab.watchMemory();
    const caller = await lab.call("/v1/files", { bodyBytes: bodyMib * mib });
    const before = lab.provider.exchanges.length;
    void caller.upload();
    await until(() => lab.provider.exchanges.length > before, "request at the provider");
    const exchange = lab.provider.exchanges[before];
    if (exchange === undefined) throw new Error("The provider has seen no request");
    await readUploadsSlowly(lab.provider, 1e6, seconds * 1000);
    const aheadBytes = caller.bytesSent - exchange.bytesReceived;
    const inKernelBytes = kernelQueueBytes([lab.provider.port, lab.product.port]);
    const growthMib = memory.growthMib();
    const leftAtMs = performance.now();
    caller.leave("reset");
    const closedAfterMs = (await exchange.closed) - leftAtMs;
    return [
      { name: "client ahead of the provider", unit: "MiB", measured: aheadBytes / mib },
      {
        name: "of it in the proxy, not in the kernel",
        unit: "MiB",
        measured: (aheadBytes - inKernelBytes) / mib,
        max: 4,
      },
      { name: "memory, growth", unit: "MiB", measured: growthMib, max: 64 },
      { name: "provider's close after leaving", unit: "ms", measured: closedAfterMs, max: 1000 },
    ];
  },
});
