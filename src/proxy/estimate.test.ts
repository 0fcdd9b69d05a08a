import { expect, test } from "bun:test";
import { type CountingThread, createEstimate } from "./estimate.ts";
import { estimateTokens, type TextSample } from "./token-count.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function sampleOf(body: unknown, written = "", writtenChars = written.length): TextSample {
  return { body: encode(JSON.stringify(body)), written, writtenChars };
}

const chat = (content: unknown) => ({ model: "m", messages: [{ role: "user", content }] });

const counted: [name: string, sample: TextSample, inputTokens: number, outputTokens: number][] = [
  ["a chat", sampleOf(chat("Say hello to the world"), "Hello world!"), 12, 3],
  ["parts of a message", sampleOf(chat([{ type: "text", text: "Say hello to the world" }])), 12, 0],
  ["Gemini", sampleOf({ contents: [{ parts: [{ text: "hello world" }] }] }), 9, 0],
  ["embeddings", sampleOf({ input: ["hello world", "hello world"] }), 4, 0],
  ["a picture", sampleOf(chat([{ image_url: { url: "data:image/png;base64,AAAA" } }])), 1007, 0],
  ["base64 without a name", sampleOf(chat([{ source: { data: "QUJD".repeat(50_000) } }])), 1007, 0],
  ["special tokens", sampleOf(chat("<|endoftext|>")), 8, 0],
  ["a body that is no JSON", { body: encode("no JSON."), written: "", writtenChars: 0 }, 2, 0],
  ["text of which the beginning was kept", sampleOf({}, "hello world ".repeat(100), 120_000), 0, 20_100],
  ["nothing", { body: undefined, written: "", writtenChars: 0 }, 0, 0],
];

test.each(counted)("%s is counted", (...[, sample, inputTokens, outputTokens]) => {
  expect(estimateTokens(sample)).toEqual({ inputTokens, outputTokens });
});

test("words without end and text beyond all bounds are counted in a moment", () => {
  const startedMs = performance.now();
  expect(estimateTokens(sampleOf(chat(`a ${"x".repeat(100_000)}`))).inputTokens).toBeWithin(5_000, 100_000);
  expect(estimateTokens(sampleOf(chat("word ".repeat(200_000)))).inputTokens).toBeWithin(190_000, 210_000);
  expect(performance.now() - startedMs).toBeLessThan(3000);
});

test("the thread counts, is ended when it has been idle, and started again", async () => {
  const estimate = createEstimate({ onFault: (error) => expect(error).toBeUndefined(), idleMs: 1 });
  const sample = sampleOf(chat("Say hello to the world"), "Hello world!");
  const all = await Promise.all([estimate(sample), estimate(sample)]);
  expect(all).toEqual([all[1], { inputTokens: 12, outputTokens: 3 }] as typeof all);
  await Bun.sleep(20);
  expect(await estimate(sample)).toEqual({ inputTokens: 12, outputTokens: 3 });
});

function aThread(answer: (thread: CountingThread) => void) {
  const told = { started: 0, ended: 0, faults: [] as unknown[] };
  const start = (): CountingThread => {
    told.started++;
    const thread: CountingThread = {
      onmessage: null,
      onerror: null,
      postMessage: () => answer(thread),
      terminate: () => {
        told.ended++;
      },
      unref: () => undefined,
    };
    return thread;
  };
  const estimate = createEstimate({ start, waitMsMax: 20, onFault: (error) => told.faults.push(error) });
  return { told, estimate };
}

const rough = { inputTokens: 17, outputTokens: 3 };
const any = sampleOf(chat("Say hello to the world"), "Hello world");

test("a thread that fails is told of, and what waited for it is counted roughly; the next one is another", async () => {
  const { told, estimate } = aThread((thread) =>
    thread.onerror?.(new ErrorEvent("error", { message: "no" })),
  );
  expect(await Promise.all([estimate(any), estimate(any)])).toEqual([
    { ...rough, inputTokens: Math.ceil((any.body?.length ?? 0) / 4) },
    { ...rough, inputTokens: Math.ceil((any.body?.length ?? 0) / 4) },
  ]);
  expect(told).toMatchObject({ faults: ["no", "no"], started: 2, ended: 2 });
});

test("a thread that does not answer is waited for within bounds, by a bounded number", async () => {
  const { told, estimate } = aThread(() => undefined);
  const asked = Array.from({ length: 1200 }, () => estimate(any));
  expect((await asked.at(-1))?.outputTokens).toBe(3); // at once, as a thousand wait
  expect(new Set((await Promise.all(asked)).map(({ outputTokens }) => outputTokens))).toEqual(new Set([3]));
  expect(told).toMatchObject({ faults: [], started: 1 });
});

test("a thread that cannot be started is told of", async () => {
  const faults: unknown[] = [];
  const start = () => {
    throw new Error("none");
  };
  const estimate = createEstimate({ start, onFault: (error) => faults.push(error) });
  expect((await estimate(any)).outputTokens).toBe(3);
  expect(String(faults[0])).toContain("none");
});
