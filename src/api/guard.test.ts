import { expect, test } from "bun:test";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import type { AuditAction, AuditOutcome, Caller } from "../audit/entry.ts";
import type { AuditFacts } from "../audit/service.ts";
import { Secret } from "../secret.ts";
import { createGuard, failedTriesMax } from "./guard.ts";

const right = "the-right-management-token-0123456789";

function setUp() {
  const clock = createFakeClock();
  const entries: { action: AuditAction; outcome: AuditOutcome; caller: Caller; facts: AuditFacts }[] = [];
  const guard = createGuard({
    managementToken: new Secret(right),
    clock,
    audit: {
      record: (action, outcome, caller, facts = {}) => entries.push({ action, outcome, caller, facts }),
    },
  });
  return {
    clock,
    entries,
    check: (authorization: string | null, clientIp = "1.1.1.1") => guard(authorization, callerFrom(clientIp)),
  };
}

function callerFrom(clientIp: string): Caller {
  return {
    actor: "anonymous",
    requestId: "r",
    correlationId: "c",
    clientIp,
    method: "GET",
    path: "/manage/projects",
    userAgent: "",
  };
}

test.each([`Bearer ${right}`, `bearer ${right}`, `BEARER  ${right} `])("%p is let in", (header) => {
  expect(setUp().check(header)).toBeUndefined();
});

test.each([
  [null, undefined],
  ["", undefined],
  ["Bearer", undefined],
  ["Bearer ", undefined],
  ["Bearer  ", undefined],
  [`Basic ${right}`, undefined],
  [right, undefined],
  [`Bearer ${right} x`, undefined],
  [`Bearer${right}`, undefined],
  [`Bearer ${right}x`, "invalid management token"],
  [`Bearer ${right.slice(0, -1)}`, "invalid management token"],
  [`Bearer ${right.toUpperCase()}`, "invalid management token"],
])("%p is refused, and audited without what was presented", (header, error) => {
  const { check, entries } = setUp();
  const problem = check(header);
  expect(problem).toMatchObject({ code: "unauthorized", headers: { "www-authenticate": "Bearer" } });
  expect(problem?.error).toBe(error as string);
  expect(entries).toHaveLength(1);
  expect(entries[0]).toMatchObject({ action: "management.auth", outcome: "denied" });
  expect(JSON.stringify(entries)).not.toContain(right.slice(0, 12));
});

test("SEC-105: failed tries past the limit get 429 with Retry-After and fill no audit trail", () => {
  const { check, entries, clock } = setUp();
  for (let index = 0; index < failedTriesMax; index++)
    expect(check(`Bearer wrong-${index}`)?.code).toBe("unauthorized");
  clock.advance(20_500);
  for (let index = 0; index < 2000; index++)
    expect(check("Bearer wrong")).toEqual({ code: "too_many_attempts", headers: { "retry-after": "40" } });
  expect(entries).toHaveLength(failedTriesMax);
});

test("SEC-105: others are not locked out, and the right token is let in from the same address", () => {
  const { check } = setUp();
  for (let index = 0; index < 100; index++) check("Bearer wrong", "6.6.6.6");
  expect(check("Bearer wrong", "7.7.7.7")?.code).toBe("unauthorized");
  expect(check(`Bearer ${right}`, "7.7.7.7")).toBeUndefined();
  expect(check(`Bearer ${right}`, "6.6.6.6")).toBeUndefined();
  expect(check("Bearer wrong", "6.6.6.6")?.code).toBe("too_many_attempts");
});

test("after a minute an address starts anew", () => {
  const { check, clock } = setUp();
  for (let index = 0; index <= failedTriesMax; index++) check(null);
  expect(check(null)?.code).toBe("too_many_attempts");
  clock.advance(60_000);
  expect(check(null)?.code).toBe("unauthorized");
});

test("failures from ever new addresses are forgotten in the order they came", () => {
  const { check } = setUp();
  for (let index = 0; index <= failedTriesMax; index++) check(null, "first");
  for (let index = 0; index < 9_999; index++) check(null, `address-${index}`);
  expect(check(null, "first")?.code).toBe("too_many_attempts");
  check(null, "one more");
  expect(check(null, "first")?.code).toBe("unauthorized");
});
