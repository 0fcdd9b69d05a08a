import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer } from "node:net";
import { evenOut } from "./allowed.ts";
import { type Bench, openBench, openLines } from "./bench.ts";
import { fuzz } from "./fuzz.ts";
import type { FuzzCase } from "./fuzz-case.ts";
import { newSeed, readFlags } from "./run.ts";
import { differences } from "./view.ts";

// A short run of `make fuzz`, and the proof that it finds what is there to be found.

const fixedSeed = 20_261_125;
const durationMs = 10_000;

test.each([
  ["a fixed seed", fixedSeed],
  ["a new one", newSeed()],
])(
  "the binary changes nothing but what is allowed, with %s: %d",
  async (_, seed) => {
    const { cases, fault } = await fuzz({ seed, durationMs });
    expect(fault).toBeUndefined();
    expect(cases).toBeGreaterThan(100);
  },
  60_000,
);

/** What is replaced on the way up to the server, and on the way down to the client; bytes as latin-1. */
interface Change {
  readonly up?: readonly [from: string, to: string];
  readonly down?: readonly [from: string, to: string];
}

/** Stands in front of the proxy and changes what passes. */
async function startChanger() {
  const set = { target: 0, change: {} as Change };
  const replaced = (bytes: Buffer, change: Change["up"]): Buffer =>
    change === undefined ? bytes : Buffer.from(bytes.toString("latin1").replaceAll(...change), "latin1");
  const server = createServer((client) => {
    const behind = connect(set.target, "127.0.0.1");
    client.on("data", (bytes: Buffer) => behind.write(replaced(bytes, set.change.up)));
    behind.on("data", (bytes: Buffer) => client.write(replaced(bytes, set.change.down)));
    client.on("close", () => behind.destroy()).on("error", () => behind.destroy());
    behind.on("close", () => client.destroy()).on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    via: (port: number) => {
      set.target = port;
      return Promise.resolve((server.address() as AddressInfo).port);
    },
    change: (change: Change) => {
      set.change = change;
    },
    [Symbol.dispose]: () => {
      server.close();
    },
  };
}

const plain: FuzzCase = {
  request: {
    method: "POST",
    target: "/v1/planted?a=1",
    headers: [["X-Sent", "sent value"]],
    framing: "length",
    pieces: [Buffer.from('{"sent":1.0}')],
    segment: 1 << 30,
  },
  answer: {
    status: 203,
    reason: "OK",
    headers: [
      ["Content-Type", "text/plain"],
      ["X-Got", "got value"],
    ],
    framing: "length",
    pieces: [Buffer.from("got body")],
    segment: 1 << 30,
    hasEarlyHints: false,
    end: "whole",
  },
};

const broken: FuzzCase = { ...plain, answer: { ...plain.answer, framing: "chunked", end: "cut" } };

describe("a difference", () => {
  let changer: Awaited<ReturnType<typeof startChanger>>;
  let bench: Bench;
  beforeAll(async () => {
    changer = await startChanger();
    bench = await openBench(changer.via);
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    changer[Symbol.dispose]();
  });
  const run = async (change: Change, fuzzCase = plain): Promise<string[]> => {
    changer.change(change);
    using lines = openLines();
    return await bench.run(fuzzCase, lines);
  };

  const planted: [string, Change, string][] = [
    ["a number of the request's body", { up: ["1.0}", "1  }"] }, "request body"],
    ["the query", { up: ["?a=1", "?a=2"] }, "target"],
    ["the method", { up: ["POST /", "PUT /"] }, "method"],
    ["a field of the request", { up: ["sent value", "sent  value"] }, "request field x-sent"],
    ["a field more", { up: ["X-Sent:", "X-New: 1\r\nX-Sent:"] }, "request field x-new"],
    ["the status", { down: ["203 Non", "200 Non"] }, "status"],
    ["a field of the answer", { down: ["X-Got", "X-Gut"] }, "answer field x-got"],
    ["the answer's body", { down: ["got body", "got bodY"] }, "answer body"],
    ["the end of the answer", { down: ["Content-Length: 8", "Content-Length: 9"] }, "answer is whole"],
  ];
  test.each(planted)(
    "in %s is found",
    async (_, change, what) => {
      const found = await run(change);
      expect(found.map((line) => line.split(":", 1)[0])).toContain(what);
    },
    20_000,
  );

  test("is none where nothing is changed, in a broken answer neither", async () => {
    expect(await run({})).toEqual([]);
    expect(await run({}, broken)).toEqual([]);
  });

  test("between a broken answer and a whole one is found", () => {
    const answer = { status: 200, reason: "OK", headers: [], body: "got", isWhole: false };
    const direct = { requests: [], answer };
    const proxied = { requests: [], answer: { ...answer, isWhole: true } };
    const even = evenOut({ direct, proxied }, { providerKey: "", upstreamHost: "" });
    expect(differences(even.direct, even.proxied)).toEqual([
      "answer is whole: false directly, true through the proxy",
    ]);
  });
});

test("a run ends with the first difference, and tells the smallest case and how to make it again", async () => {
  using changer = await startChanger();
  changer.change({ down: ["e", "E"] });
  const { fault } = await fuzz({ seed: fixedSeed, durationMs: 20_000, via: changer.via });
  expect(fault).toContain(`Again: bun test/fuzz/run.ts --seed ${fixedSeed} --case `);
  expect(fault).toContain('"target": "/v1"');
}, 60_000);

test("the flags of the run are read, and wrong ones refused", () => {
  expect(readFlags(["--minutes", "0.5", "--seed", "7"])).toEqual({ seed: 7, durationMs: 30_000 });
  expect(readFlags(["--seed", "7", "--case", "3"])).toMatchObject({ from: 3, casesMax: 1 });
  expect(() => readFlags(["--minutes", "soon"])).toThrow("--minutes must be a number");
  expect(() => readFlags(["--minute", "1"])).toThrow();
});
