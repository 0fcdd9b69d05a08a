import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { openBench, openLines } from "./bench.ts";
import { fuzz } from "./fuzz.ts";
import type { FuzzCase } from "./fuzz-case.ts";
import { newSeed, readFlags } from "./run.ts";

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

/** A server in front of another one that changes what passes, byte for byte as latin-1. */
async function startChanger(change: { up?: [string, string]; down?: [string, string] }): Promise<{
  server: Server;
  via: (port: number) => Promise<number>;
}> {
  let target = 0;
  const replaced = (bytes: Buffer, [from, to]: [string, string] = ["", ""]): Buffer =>
    Buffer.from(bytes.toString("latin1").replaceAll(from, to), "latin1");
  const server = createServer((client) => {
    const behind = connect(target, "127.0.0.1");
    client.on("data", (bytes: Buffer) => behind.write(change.up ? replaced(bytes, change.up) : bytes));
    behind.on("data", (bytes: Buffer) => client.write(change.down ? replaced(bytes, change.down) : bytes));
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const)
      one.on("close", () => other.destroy()).on("error", () => other.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    server,
    via: (port) => {
      target = port;
      return Promise.resolve((server.address() as AddressInfo).port);
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

describe("a difference is found where there is one", () => {
  const planted: [string, { up?: [string, string]; down?: [string, string] }, string][] = [
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
  test.concurrent.each(planted)(
    "in %s",
    async (_, change, what) => {
      const { server, via } = await startChanger(change);
      await using bench = await openBench(via);
      using lines = openLines();
      const found = await bench.run(plain, lines);
      expect(found.map((line) => line.split(":", 1)[0])).toContain(what);
      server.close();
    },
    20_000,
  );

  test("and by a run of random cases, which tells the smallest one and how to make it again", async () => {
    const { server, via } = await startChanger({ down: ["e", "E"] });
    const { fault } = await fuzz({ seed: fixedSeed, durationMs: 20_000, via });
    expect(fault).toContain(`Again: bun test/fuzz/run.ts --seed ${fixedSeed} --case `);
    expect(fault).toContain('"target": "/v1"');
    server.close();
  }, 60_000);
});

describe("without one", () => {
  let close: () => Promise<void>;
  let run: (fuzzCase: FuzzCase) => Promise<string[]>;
  beforeAll(async () => {
    const bench = await openBench();
    const lines = openLines();
    run = (fuzzCase) => bench.run(fuzzCase, lines);
    close = async () => {
      lines[Symbol.dispose]();
      await bench[Symbol.asyncDispose]();
    };
  });
  afterAll(() => close());

  test("nothing is told", async () => {
    expect(await run(plain)).toEqual([]);
  });

  test("a whole answer must not come broken, nor a broken one whole", async () => {
    const broken: FuzzCase = { ...plain, answer: { ...plain.answer, framing: "chunked", end: "cut" } };
    expect(await run(broken)).toEqual([]);
  });
});

test("the flags of the run are read, and wrong ones refused", () => {
  expect(readFlags(["--minutes", "0.5", "--seed", "7"])).toEqual({ seed: 7, durationMs: 30_000 });
  expect(readFlags(["--seed", "7", "--case", "3"])).toMatchObject({ from: 3, casesMax: 1 });
  expect(() => readFlags(["--minutes", "soon"])).toThrow("--minutes must be a number");
  expect(() => readFlags(["--minute", "1"])).toThrow();
});
