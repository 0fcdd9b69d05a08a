import { expect, test } from "bun:test";
import { aProject, aToken } from "../../test/harness/rows.ts";
import { openStore } from "../../test/harness/store.ts";
import { noLimits } from "../limit/limits.ts";
import type { Token } from "../token/token.ts";
import { createProjectRepository } from "./project-repository.ts";
import { createTokenRepository } from "./token-repository.ts";

async function repository(...kept: Token[]) {
  const { database } = await openStore();
  for (const id of ["p", "q"]) await createProjectRepository(database).insert(aProject(id), undefined);
  const tokens = createTokenRepository(database);
  for (const token of kept) await tokens.insert(token);
  return { tokens };
}

test("a token comes back as it was stored, by id and by hash", async () => {
  const token = aToken("a", {
    expiresAtMs: 1_900_000_000_123,
    isActive: false,
    deactivatedAtMs: 4,
    limits: {
      maxRequests: Number.MAX_SAFE_INTEGER,
      rpm: 1,
      tpm: 2,
      maxConcurrency: 3,
      allowedModels: ["a", "b*"],
      budgetNanoUsd: 2n ** 60n,
      budgetPeriod: "month",
      unpriced: "allow",
    },
    requestCount: 9_007_199_254_740_990,
    cacheHitCount: 2,
    lastUsedAtMs: 3,
  });
  const { tokens } = await repository(token);
  expect(await tokens.find("a")).toEqual(token);
  expect(await tokens.findByHash(token.hash)).toEqual(token);
  expect(await tokens.findByHash("f".repeat(64))).toBeUndefined();
});

test("a token of a project that does not exist is refused", async () => {
  const { tokens } = await repository();
  await expect(tokens.insert(aToken("a", { projectId: "gone" }))).rejects.toThrow("FOREIGN KEY");
});

test("the list is newest first, filtered and cut into pages", async () => {
  const { tokens } = await repository(
    aToken("a", { createdAtMs: 1 }),
    aToken("b", { createdAtMs: 3, isActive: false }),
    aToken("c", { createdAtMs: 2, projectId: "q" }),
    aToken("d", { createdAtMs: 2 }),
  );
  const ids = async (...args: Parameters<typeof tokens.list>) => {
    const { items, total } = await tokens.list(...args);
    return `${items.map(({ id }) => id).join("")} of ${total}`;
  };
  expect(await ids({}, undefined)).toBe("bcda of 4");
  expect(await ids({}, { offset: 1, limit: 2 })).toBe("cd of 4");
  expect(await ids({ projectId: "p" }, undefined)).toBe("bda of 3");
  expect(await ids({ projectId: "p", isActive: true }, undefined)).toBe("da of 2");
  expect(await ids({ isActive: false }, undefined)).toBe("b of 1");
});

test("a change touches what it names, never the counters", async () => {
  const limits = { ...noLimits, maxRequests: 9, rpm: 5 };
  const before = aToken("a", { requestCount: 7, limits });
  const { tokens } = await repository(before);
  expect(await tokens.update("a", { isActive: false, atMs: 5 })).toBe(true);
  expect(await tokens.find("a")).toEqual({ ...before, isActive: false, deactivatedAtMs: 5 });
  await tokens.update("a", { isActive: false, limits: { maxRequests: 20 }, atMs: 6 });
  expect(await tokens.find("a")).toEqual({
    ...before,
    isActive: false,
    deactivatedAtMs: 5,
    limits: { ...limits, maxRequests: 20 },
  });
  await tokens.update("a", { isActive: true, expiresAtMs: 99, limits: { maxRequests: null }, atMs: 7 });
  expect(await tokens.find("a")).toEqual({
    ...before,
    expiresAtMs: 99,
    limits: { ...limits, maxRequests: null },
  });
  expect(await tokens.update("gone", { isActive: true, atMs: 7 })).toBe(false);
});

test("revoking all tokens of a project leaves those of others and tells what was revoked before", async () => {
  const { tokens } = await repository(
    aToken("a"),
    aToken("b", { isActive: false }),
    aToken("c", { projectId: "q" }),
  );
  expect(await tokens.revokeAll("p", 5)).toEqual({ revoked: 1, alreadyRevoked: 1, total: 2 });
  expect(await tokens.revokeAll("p", 6)).toEqual({ revoked: 0, alreadyRevoked: 2, total: 2 });
  expect(await tokens.find("a")).toMatchObject({ isActive: false, deactivatedAtMs: 5 });
  expect(await tokens.find("c")).toMatchObject({ isActive: true });
});

test("a token is expired at the very moment it names", async () => {
  const { tokens } = await repository(aToken("a", { expiresAtMs: 10 }), aToken("b", { expiresAtMs: 11 }));
  expect(await tokens.deactivateExpired(9)).toBe(0);
  expect(await tokens.deactivateExpired(10)).toBe(1);
  expect(await tokens.deactivateExpired(10)).toBe(0);
  expect(await tokens.find("b")).toMatchObject({ isActive: true });
});
