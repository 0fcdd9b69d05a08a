import { describe, expect, test } from "bun:test";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import type { Project } from "../project/project.ts";
import type { ProviderKey } from "../project/provider-key.ts";
import { ok } from "../result.ts";
import { Secret } from "../secret.ts";
import type { Token } from "../token/token.ts";
import { createExpiringMap } from "./expiring-map.ts";
import { createForeignWatch } from "./foreign-watch.ts";
import { createGrantCache } from "./grant-cache.ts";
import { createKeyCache } from "./key-cache.ts";

const token = { id: "t1", projectId: "p1", hash: "h1" } as Token;
const project = { id: "p1" } as Project;

/** A repository whose answers are given by hand, and which counts how often it is asked. */
function createAsked<Value>() {
  const waiting: ((value: Value) => void)[] = [];
  return {
    asked: 0,
    ask(): Promise<Value> {
      this.asked++;
      return new Promise((resolve) => waiting.push(resolve));
    },
    answer(value: Value) {
      waiting.shift()?.(value);
    },
  };
}

describe("an expiring map", () => {
  test("gives a value until its time is over", () => {
    const clock = createFakeClock();
    const map = createExpiringMap<number>({ clock, entriesMax: 10, ttlMs: 100 });
    map.set("a", 1);
    clock.advance(99);
    expect(map.get("a")).toBe(1);
    clock.advance(1);
    expect(map.get("a")).toBeUndefined();
  });
  test("holds no more than its bound, and lets the oldest go", () => {
    const map = createExpiringMap<number>({ clock: createFakeClock(), entriesMax: 2, ttlMs: 100 });
    for (const [key, value] of Object.entries({ a: 1, b: 2, c: 3 })) map.set(key, value);
    expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([undefined, 2, 3]);
  });
  test.each([
    { entriesMax: 0, ttlMs: 100 },
    { entriesMax: 10, ttlMs: 0 },
  ])("with %p remembers nothing", (limits) => {
    const map = createExpiringMap<number>({ clock: createFakeClock(), ...limits });
    map.set("a", 1);
    expect(map.get("a")).toBeUndefined();
  });
});

describe("the grant cache", () => {
  function setUp() {
    const store = createAsked<Token | undefined>();
    const cache = createGrantCache({
      tokens: { findByHash: () => store.ask() },
      projects: { find: () => Promise.resolve(project) },
      clock: createFakeClock(),
      entriesMax: 10,
      ttlMs: 5000,
    });
    const remember = async () => {
      const found = cache.find("h1");
      store.answer(token);
      await found;
    };
    return { store, cache, remember };
  }

  test("asks the store once and then gives the grant without waiting", async () => {
    const { store, cache, remember } = setUp();
    await remember();
    expect(cache.find("h1")).toEqual({ token, project });
    expect(store.asked).toBe(1);
  });

  test.each([
    ["its token", (cache: ReturnType<typeof setUp>["cache"]) => cache.forgetToken("t1")],
    ["its project", (cache: ReturnType<typeof setUp>["cache"]) => cache.forgetProject("p1")],
    ["everything", (cache: ReturnType<typeof setUp>["cache"]) => cache.forgetAll()],
  ])("forgets a grant with %s", async (_, forget) => {
    const { cache, remember } = setUp();
    await remember();
    forget(cache);
    expect(cache.find("h1")).toBeInstanceOf(Promise);
  });

  test("keeps a grant when another token or project changes", async () => {
    const { cache, remember } = setUp();
    await remember();
    cache.forgetToken("t2");
    cache.forgetProject("p2");
    expect(cache.find("h1")).toEqual({ token, project });
  });

  test("LIM: a look-up that began before a change does not put the old state back", async () => {
    const { store, cache } = setUp();
    const early = cache.find("h1");
    cache.forgetToken("t1");
    store.answer(token);
    await early;
    expect(cache.find("h1")).toBeInstanceOf(Promise);
    expect(store.asked).toBe(2);
  });

  test("an unknown token is not remembered, so that it works as soon as it exists", async () => {
    const { store, cache } = setUp();
    const first = cache.find("h1");
    store.answer(undefined);
    expect(await first).toBeUndefined();
    const second = cache.find("h1");
    store.answer(token);
    expect(await second).toEqual({ token, project });
  });
});

describe("the key cache", () => {
  const sealed = (id: string) =>
    ({ id, weight: 1, sealed: id === "bad" ? "x" : `sealed-${id}` }) as ProviderKey;
  function setUp() {
    const store = createAsked<readonly ProviderKey[]>();
    const cache = createKeyCache({
      projects: { keys: () => store.ask() },
      sealer: {
        seal: () => "",
        open: (_, id) => (id === "bad" ? { ok: false, error: "unreadable" } : ok(new Secret(`text-${id}`))),
      },
      clock: createFakeClock(),
      entriesMax: 10,
      ttlMs: 5000,
    });
    return { store, cache };
  }

  test("opens each key once, and counts those that cannot be opened", async () => {
    const { store, cache } = setUp();
    const found = cache.find("p1", "openai");
    store.answer([sealed("a"), sealed("bad")]);
    const ring = await found;
    expect(ring.keys.map((key) => key.text.reveal())).toEqual(["text-a"]);
    expect(ring.unreadable).toBe(1);
    expect(cache.find("p1", "openai")).toBe(ring);
    expect(cache.find("p1", "anthropic")).toBeInstanceOf(Promise);
  });

  test("a look-up that began before a change does not put the old keys back", async () => {
    const { store, cache } = setUp();
    const early = cache.find("p1", "openai");
    cache.forgetProject("p1");
    store.answer([sealed("a")]);
    await early;
    expect(cache.find("p1", "openai")).toBeInstanceOf(Promise);
  });
});

test("another process' write is noticed within 100 ms, and without one nothing is forgotten", () => {
  const clock = createFakeClock();
  let version = 1;
  let forgotten = 0;
  const look = createForeignWatch({ version: () => version, clock, onChange: () => forgotten++ });
  look();
  clock.advance(100);
  look();
  expect(forgotten).toBe(0);
  version = 2;
  clock.advance(100);
  look();
  look();
  expect(forgotten).toBe(1);
});
