import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startApp } from "../harness/app-in-process.ts";

/** Of a round, and rounds after the one that warms up. */
const requests = 1_000;
const rounds = 4;
/** Tokens of a round, and how many the cache may remember. */
const tokens = 200;
const remembered = 50;

/** Objects that live, by type. */
async function census(): Promise<Readonly<Record<string, number>>> {
  for (let turn = 0; turn < 3; turn++) {
    await delay(200); // records are written every 250 ms; timers and finalizers let go of the rest
    Bun.gc(true);
  }
  return heapStats().objectTypeCounts;
}

async function openLoad() {
  const child = Bun.spawn([process.execPath, join(import.meta.dirname, "heap-load.ts")], {
    stdin: "pipe",
    stdout: "pipe",
  });
  const lines = child.stdout.getReader();
  const nextLine = async () =>
    Buffer.from((await lines.read()).value ?? [])
      .toString()
      .trim();
  return {
    providerPort: await nextLine(),
    async round(port: number, count: number, texts: readonly string[]): Promise<void> {
      child.stdin.write(`${[port, count, ...texts].join(" ")}\n`);
      await child.stdin.flush();
      expect(await nextLine()).toBe("done");
    },
    [Symbol.dispose]: () => child.kill(),
  };
}

/** Types with at least that many more objects. */
function grown(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  least: number,
) {
  return Object.entries(after)
    .map(([type, count]) => [type, count - (before[type] ?? 0)] as const)
    .filter(([, more]) => more >= least);
}

test("RES-104 no request leaves an object behind, whole, refused, broken or left by its client", async () => {
  using load = await openLoad();
  await using app = await startApp({ upstream: `http://127.0.0.1:${load.providerPort}` });
  const { token } = await app.newToken((await app.newProject()).id);
  await load.round(app.port, requests, [token]);
  const before = await census();
  for (let round = 0; round < rounds; round++) await load.round(app.port, requests, [token]);
  // One in four of one kind of request would show.
  expect(grown(before, await census(), (rounds * requests) / 20)).toEqual([]);
}, 60_000);

test("RES-104 no token leaves an object behind once the cache is full", async () => {
  using load = await openLoad();
  await using app = await startApp({
    upstream: `http://127.0.0.1:${load.providerPort}`,
    env: { LLM_PROXY_ACTIVE_CACHE_MAX: String(remembered) },
  });
  const { id } = await app.newProject();
  const makeTokens = async () => {
    const made: string[] = [];
    for (let n = 0; n < tokens; n++) made.push((await app.newToken(id)).token);
    return made;
  };
  await load.round(app.port, tokens, await makeTokens());
  const before = await census();
  await load.round(app.port, tokens, await makeTokens());
  await load.round(app.port, tokens, await makeTokens());
  expect(grown(before, await census(), tokens / 2)).toEqual([]);
}, 60_000);
