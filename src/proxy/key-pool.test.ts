import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import type { KeyRing, OpenKey } from "../cache/key-cache.ts";
import { createFactsReader } from "../provider/request-facts.ts";
import { Secret } from "../secret.ts";
import type { Body } from "./call.ts";
import { chooseKey, createKeyPool } from "./key-pool.ts";

function ring(weights: Record<string, number>): readonly OpenKey[] {
  return Object.entries(weights).map(([id, weight]) => ({
    id,
    weight,
    text: new Secret(`sk-${id}`),
    version: `sealed-${id}`,
  }));
}

const held = (bytes: Uint8Array): Body => ({ kind: "held", bytes: new Uint8Array(bytes) });
const none: Body = { kind: "none" };

test("no key is none, and a single one serves all", () => {
  expect(chooseKey(ring({}), none, "t")).toBeUndefined();
  expect(chooseKey(ring({ a: 3 }), held(randomBytes(20)), "t")?.id).toBe("a");
});

test("keys share conversations by weight", () => {
  const weights = { a: 1, b: 2, c: 7 };
  const served = { a: 0, b: 0, c: 0 };
  const samples = 20_000;
  for (let n = 0; n < samples; n++)
    served[chooseKey(ring(weights), held(randomBytes(64)), "t")?.id as keyof typeof served]++;
  // 10 standard deviations: about one run in 10^23 would be outside
  for (const id of ["a", "b", "c"] as const) {
    const share = weights[id] / 10;
    const bound = 10 * Math.sqrt((share * (1 - share)) / samples);
    expect(Math.abs(served[id] / samples - share)).toBeLessThan(bound);
  }
});

test("a conversation stays on its key while it grows, whatever token asks", () => {
  const keys = ring({ a: 1, b: 1, c: 1 });
  for (let n = 0; n < 200; n++) {
    const beginning = randomBytes(512);
    const first = chooseKey(keys, held(beginning), "t1");
    expect(chooseKey(keys, held(Buffer.concat([beginning, randomBytes(2_000)])), "t2")).toBe(
      first as NonNullable<typeof first>,
    );
  }
});

test("a body that is not held goes by its token", () => {
  const keys = ring({ a: 1, b: 1, c: 1 });
  const streamed: Body = {
    kind: "streamed",
    stream: new ReadableStream(),
    facts: createFactsReader({ path: "/v1/x", query: "", contentType: "" }),
  };
  const chosen = new Set<string>();
  for (let n = 0; n < 100; n++) {
    const key = chooseKey(keys, none, `token-${n}`);
    expect(chooseKey(keys, streamed, `token-${n}`)).toBe(key as NonNullable<typeof key>);
    chosen.add(key?.id ?? "");
  }
  expect([...chosen].sort()).toEqual(["a", "b", "c"]);
});

test("a key that goes moves only the conversations it had", () => {
  const before = ring({ a: 1, b: 1, c: 2 });
  const after = ring({ a: 1, c: 2 });
  for (let n = 0; n < 500; n++) {
    const body = held(randomBytes(32));
    const was = chooseKey(before, body, "t")?.id;
    if (was !== "b") expect(chooseKey(after, body, "t")?.id).toBe(was as string);
  }
});

describe("a key that rests", () => {
  function setUp(weights: Record<string, number>) {
    const clock = createFakeClock();
    const pool = createKeyPool({ clock });
    const keys = ring(weights);
    const keyRing: KeyRing = { projectId: "p", keys, unreadable: 0 };
    const choose = (tried: string[] = []) =>
      pool.choose(keyRing, { body: none, tokenId: "t", tried: new Set(tried) })?.id;
    const rest = (id: string, ms: number) => pool.rest(keys.find((key) => key.id === id) as OpenKey, ms, 429);
    return { clock, pool, keyRing, choose, rest };
  }

  test("is not chosen until it has rested, and then serves its conversations again", () => {
    const { clock, choose, rest } = setUp({ a: 1, b: 1 });
    const first = choose() ?? "";
    rest(first, 1000);
    expect(choose()).not.toBe(first);
    clock.advance(1000);
    expect(choose()).toBe(first);
  });
  test("is chosen all the same where every key rests or was tried", () => {
    const { choose, rest } = setUp({ a: 1, b: 1 });
    rest("a", 1000);
    rest("b", 1000);
    expect(["a", "b"]).toContain(choose() ?? "");
    expect(choose(["a"])).toBe("b");
  });
  test("tells until when and why, as long as it rests", () => {
    const { clock, pool, rest } = setUp({ a: 1, b: 1 });
    rest("a", 1000);
    expect(pool.restOf("sealed-a")).toEqual({ untilMs: clock.now() + 1000, status: 429 });
    expect(pool.restOf("sealed-b")).toBeUndefined();
    clock.advance(1000);
    expect(pool.restOf("sealed-a")).toBeUndefined();
  });
  test("does not rest any more when its text is replaced", () => {
    const { pool, keyRing, rest } = setUp({ a: 1, b: 1 });
    rest("a", 1000);
    const replaced = keyRing.keys.map((key) => ({ ...key, version: `${key.version}-2` }));
    expect(pool.hasOther({ ...keyRing, keys: replaced }, new Set(["b"]))).toBe(true);
    expect(pool.hasOther(keyRing, new Set(["b"]))).toBe(false);
  });
});
