import { expect, test } from "bun:test";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import { createResolver, type Resolved } from "./resolver.ts";

type Said = readonly Resolved[] | "DNS_ESERVFAIL" | "DNS_ENOTFOUND" | "DNS_ETIMEOUT";

const at = (address: string, ttlS = 60): Said => [{ address, ttlS }];

/** A resolver whose name server says what was set last, and counts how often it was asked. */
function setUp(first: Said) {
  const clock = createFakeClock();
  const state = { says: first, asked: 0 };
  const lookup = () => {
    state.asked++;
    const { says } = state;
    if (typeof says !== "string") return Promise.resolve(says);
    return Promise.reject(Object.assign(new Error(), { code: says }));
  };
  const find = createResolver({ lookup, clock });
  const now = async () => {
    const found = await find("api.example");
    return found.ok ? found.value.join() : found.error.code;
  };
  return { clock, state, find, now };
}

test("an answer is kept for its time, then asked for again while the old one serves on", async () => {
  const { clock, state, now } = setUp(at("192.0.2.1"));
  expect(await now()).toBe("192.0.2.1");
  state.says = at("192.0.2.2");
  clock.advance(59_000);
  expect([await now(), state.asked]).toEqual(["192.0.2.1", 1]);
  clock.advance(2_000);
  expect([await now(), state.asked]).toEqual(["192.0.2.1", 2]);
  expect(await now()).toBe("192.0.2.2");
});

test("one that has not been used for longer is waited for (NET-104)", async () => {
  const { clock, state, now } = setUp(at("192.0.2.1", 1));
  await now();
  state.says = at("192.0.2.2");
  clock.advance(31_001);
  expect(await now()).toBe("192.0.2.2");
});

test.each([
  [0, 1_000],
  [86_400, 300_000],
])("a time to live of %d s is taken as %d ms", async (ttlS, keptMs) => {
  const { clock, state, now } = setUp(at("192.0.2.1", ttlS));
  await now();
  clock.advance(keptMs - 1);
  await now();
  expect(state.asked).toBe(1);
  clock.advance(1);
  await now();
  expect(state.asked).toBe(2);
});

test("the array is the same as long as the addresses are, in whatever order", async () => {
  const { clock, state, find } = setUp([...at("192.0.2.1"), ...at("192.0.2.2")] as Said);
  const first = await find("api.example");
  state.says = [...at("192.0.2.2"), ...at("192.0.2.1")] as Said;
  clock.advance(100_000);
  const later = await find("api.example");
  expect(state.asked).toBe(2);
  expect(first.ok && later.ok && first.value === later.value).toBe(true);
});

test.each(["DNS_ESERVFAIL", "DNS_ENOTFOUND"] as const)(
  "%s is kept for one second (NET-104)",
  async (fault) => {
    const { clock, state, now } = setUp(fault);
    expect(await now()).toBe("unreachable");
    state.says = at("192.0.2.1");
    clock.advance(999);
    expect([await now(), state.asked]).toEqual(["unreachable", 1]);
    clock.advance(1);
    expect(await now()).toBe("192.0.2.1");
  },
);

test("a resolver that fails leaves the last addresses in use for ten minutes", async () => {
  const { clock, state, now } = setUp(at("192.0.2.1"));
  await now();
  state.says = "DNS_ETIMEOUT";
  clock.advance(60_000 + 599_000);
  expect(await now()).toBe("192.0.2.1");
  clock.advance(2_000);
  expect(await now()).toBe("silent");
});

test("what is asked for at once is one question", async () => {
  const { state, now } = setUp(at("192.0.2.1"));
  expect(await Promise.all([now(), now(), now()])).toEqual(["192.0.2.1", "192.0.2.1", "192.0.2.1"]);
  expect(state.asked).toBe(1);
});
