import { expect, test } from "bun:test";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import type { Provider } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import { createEgress } from "./egress.ts";
import type { Addresses } from "./resolver.ts";

function provider(base: string, more: Partial<Provider> = {}): Provider {
  return { name: "lab", origin: new URL(base).origin, reach: "public", ...more } as Provider;
}

/** An egress whose names lead where they are told to, and which connects to the first of these that may be. */
function setUp(addresses: readonly string[], connects: readonly string[] = []) {
  const state = { found: ok(addresses) as Addresses, connects, asked: [] as string[], searches: 0 };
  const egress = createEgress({
    clock: createFakeClock(),
    resolve(name) {
      state.asked.push(name);
      return state.found;
    },
    connectFirst(among) {
      state.searches++;
      const first = among.find((address) => state.connects.includes(address));
      const reached: Result<string, "refused"> = first === undefined ? fail("refused") : ok(first);
      return Promise.resolve(reached);
    },
  });
  const origin = async (of: Provider) => {
    const located = await egress.locate(of, true);
    return located.ok ? located.value.origin : located.error.code;
  };
  return { state, egress, origin };
}

test("an address is taken as it is written, and never resolved", async () => {
  const { state, egress } = setUp([]);
  const tls = { ca: "pem" };
  const located = await egress.locate(provider("https://127.0.0.1:8443", { reach: "as_written", tls }), true);
  expect(located).toEqual(ok({ origin: "https://127.0.0.1:8443", host: undefined, tls, isDirect: true }));
  expect(state.asked).toEqual([]);
});

test("what an outbound proxy resolves is not resolved here, but for a WebSocket", async () => {
  const { egress } = setUp(["93.184.216.34"]);
  const far = provider("https://api.example", { isProxied: true });
  expect(await egress.locate(far, true)).toMatchObject({
    value: { origin: "https://api.example", isDirect: false },
  });
  expect(await egress.locate(far, false)).toMatchObject({ value: { origin: "https://93.184.216.34" } });
});

test.each([
  ["https://api.example", "https://93.184.216.34", "api.example", { serverName: "api.example" }],
  [
    "https://API.example:8443",
    "https://93.184.216.34:8443",
    "api.example:8443",
    { serverName: "api.example" },
  ],
  [
    "https://api.example.:8443",
    "https://93.184.216.34:8443",
    "api.example:8443",
    { serverName: "api.example" },
  ],
  ["http://api.example:8080", "http://93.184.216.34:8080", "api.example:8080", undefined],
])(
  "the connection of %s goes to the address, and all else is of the name",
  async (base, origin, host, tls) => {
    const { egress } = setUp(["93.184.216.34"]);
    expect(await egress.locate(provider(base), true)).toEqual(ok({ origin, host, tls, isDirect: true }));
  },
);

test("a server name of the file goes before that of the URL, and IPv6 gets brackets", async () => {
  const { egress } = setUp(["2606:4700::1111"]);
  const tls = { serverName: "other.example" };
  const located = await egress.locate(provider("https://api.example", { tls }), true);
  expect(located).toMatchObject({ value: { origin: "https://[2606:4700::1111]", tls } });
});

test.each([
  ["public", ["127.0.0.1"]],
  ["public", ["10.0.0.1", "::1", "fd00::1"]],
  ["public", ["169.254.169.254"]],
  ["private", ["169.254.169.254"]],
  ["private", ["fe80::1", "fd00:ec2::254"]],
] as const)("a %s name that leads to %p is refused", async (reach, addresses) => {
  const { egress } = setUp(addresses, addresses);
  const located = await egress.locate(provider("https://api.example", { reach }), true);
  if (located.ok) throw new Error(`located at ${located.value.origin}`);
  expect(located.error.code).toBe("address_refused");
  expect(located.error.message).toContain(addresses.join(", "));
  const mayBeMeant = reach === "public" && !addresses.some((address) => address === "169.254.169.254");
  expect(located.error.message.includes("set private: true for lab")).toBe(mayBeMeant);
});

test("of mixed addresses only those that may be are tried", async () => {
  const { origin } = setUp(["10.0.0.1", "93.184.216.34", "169.254.169.254"], ["10.0.0.1"]);
  expect(await origin(provider("https://api.example"))).toBe("https://93.184.216.34");
});

test("a name that leads elsewhere later is checked again", async () => {
  const { state, origin } = setUp(["93.184.216.34"]);
  const rebound = provider("https://api.example");
  expect(await origin(rebound)).toBe("https://93.184.216.34");
  state.found = ok(["127.0.0.1"]);
  expect(await origin(rebound)).toBe("address_refused");
});

test("of several addresses one that takes a connection is used until it fails (NET-104)", async () => {
  const { state, egress, origin } = setUp(["8.8.8.8", "8.8.4.4", "1.1.1.1"], ["8.8.4.4", "1.1.1.1"]);
  const several = provider("https://api.example");
  const both = await Promise.all([origin(several), origin(several)]);
  expect([both, await origin(several), state.searches]).toEqual([
    ["https://8.8.4.4", "https://8.8.4.4"],
    "https://8.8.4.4",
    1,
  ]);
  state.found = ok(["8.8.4.4", "9.9.9.9"]);
  expect([await origin(several), state.searches]).toEqual(["https://8.8.4.4", 1]);
  const located = await egress.locate(several, true);
  state.connects = ["9.9.9.9"];
  if (located.ok) egress.lost(several, located.value);
  expect([await origin(several), state.searches]).toEqual(["https://9.9.9.9", 2]);
  if (located.ok) egress.lost(several, located.value); // told late, of one that is no longer used
  expect([await origin(several), state.searches]).toEqual(["https://9.9.9.9", 2]);
});

test("where none takes a connection, the next request looks again", async () => {
  const { state, origin } = setUp(["8.8.8.8", "8.8.4.4"]);
  const several = provider("https://api.example");
  expect(await origin(several)).toBe("unreachable");
  state.connects = ["8.8.8.8"];
  expect(await origin(several)).toBe("https://8.8.8.8");
});
