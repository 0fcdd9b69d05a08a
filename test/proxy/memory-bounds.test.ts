import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { KeyRing, OpenKey } from "../../src/cache/key-cache.ts";
import { createKeyPool } from "../../src/proxy/key-pool.ts";
import { Secret } from "../../src/secret.ts";
import { createFakeClock } from "../harness/fake-clock.ts";

/**
 * Every map and set of the server that begins empty, and what bounds it. One that is new belongs here, with its bound
 * and a test of what happens at it. Left out are src/config, which reads its files once, src/provider, whose readers
 * end with their body, and weak maps, which bound themselves.
 */
const bounds: Readonly<Record<string, string>> = {
  "api/guard.ts failures": "10,000 addresses; the oldest goes (src/api/guard.test.ts)",
  "cache/expiring-map.ts entries":
    "ACTIVE_CACHE_MAX, API_KEY_CACHE_MAX; the oldest goes (src/cache/cache.test.ts)",
  "limit/gate.ts states": "swept from 10,000 on, 60 s after the last request (src/limit/gate.test.ts)",
  "metrics/metrics.ts known": "2,000 label sets, then `other` (src/metrics/metrics.test.ts)",
  "project/parameters.ts seen": "fields of one request",
  "proxy/accept.ts found": "credentials of one request",
  "proxy/breaker.ts circuits": "hosts of the provider file",
  "proxy/emit.ts audited": "1,000 addresses, then all are forgotten",
  "proxy/emit.ts pending": "requests whose usage is being unpacked or counted, 5 s each at the most",
  "proxy/estimate.ts waiting":
    "1,000 estimates; what comes on top is a rough one (src/proxy/estimate.test.ts)",
  "proxy/key-pool.ts rests": "10,000 keys; those that have rested go, else all (below)",
  "proxy/leg.ts tried": "keys of one project, for one request",
  "proxy/resolver.ts entries": "hosts of the provider file",
  "proxy/retry-budget.ts saved": "hosts of the provider file",
  "server/listener.ts retired": "listeners with requests under way",
  "server/sockets.ts open": "WebSockets that are open",
  "storage/sqlite.ts kept": "200 statements; the one used longest ago goes (src/storage/sqlite.test.ts)",
  "storage/usage-sums.ts rows": "records of one transaction, 500 at most",
  "usage/price-table.ts entries": "entries of the price files",
};

describe("RES-104 what the server remembers is bounded", () => {
  test("by the list of this file, which has every map and set that can grow", async () => {
    const source = join(import.meta.dirname, "../../src");
    const found = new Set<string>();
    for (const file of new Bun.Glob("**/*.ts").scanSync(source)) {
      if (file.endsWith(".test.ts") || /^(config|provider)\//.test(file)) continue;
      const text = await Bun.file(join(source, file)).text();
      for (const [, name] of text.matchAll(/(\w+)(?:: [\w<>, ]+)?(?: =|:) new (?:Map|Set)(?:<.*>)?\(\)/g))
        found.add(`${file} ${name}`);
    }
    expect([...found].sort()).toEqual(Object.keys(bounds).sort());
  });

  test("keys at rest: past 10,000 those that have rested enough are forgotten first", () => {
    const clock = createFakeClock();
    const pool = createKeyPool({ clock });
    const keyOf = (version: string): OpenKey => ({
      id: version,
      weight: 1,
      text: new Secret(version),
      version,
    });
    const isResting = (key: OpenKey) => {
      const ring: KeyRing = { projectId: "p", keys: [key], unreadable: 0 };
      return !pool.hasOther(ring, new Set());
    };
    const long = keyOf("long");
    pool.rest(long, 60_000, 429);
    for (let n = 1; n < 10_000; n++) pool.rest(keyOf(`short-${n}`), 1_000, 429);
    clock.advance(2_000);
    pool.rest(keyOf("one more"), 1_000, 429);
    expect(isResting(long)).toBe(true);
    for (let n = 0; n < 10_000; n++) pool.rest(keyOf(`new-${n}`), 60_000, 429);
    expect(isResting(long)).toBe(false);
    expect(isResting(keyOf("new-9999"))).toBe(true);
  });
});
