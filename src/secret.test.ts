import { expect, test } from "bun:test";
import { inspect } from "node:util";
import { Secret } from "./secret.ts";

test("a secret prints as *** on every road but reveal", () => {
  const secret = new Secret("sk-canary");
  const roads = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }),
    Bun.inspect({ secret }),
    Object.values(secret).join(),
    `a${"b".concat(secret as unknown as string)}`,
  ];
  for (const road of roads) expect(road).not.toContain("sk-canary");
  expect(secret.reveal()).toBe("sk-canary");
});
