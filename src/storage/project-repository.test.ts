import { expect, test } from "bun:test";
import { aKey, aProject, aToken } from "../../test/harness/rows.ts";
import { openStore } from "../../test/harness/store.ts";
import { createKeyCheckStore } from "./key-check.ts";
import { createProjectRepository } from "./project-repository.ts";
import { createTokenRepository } from "./token-repository.ts";

async function repository() {
  const { database } = await openStore();
  return { database, projects: createProjectRepository(database) };
}

test("a project comes back as it was stored, with its keys oldest first", async () => {
  const { projects } = await repository();
  const project = aProject("a", { isActive: false, deactivatedAtMs: 5, name: "Ünïcode 🦊" });
  const young = aKey("k1", "a", { name: "young", createdAtMs: 9, weight: 1000 });
  const old = aKey("k2", "a", { createdAtMs: 2 });
  const other = aKey("k3", "a", { provider: "anthropic", createdAtMs: 3 });
  expect(await projects.insert(project, young)).toBe("inserted");
  for (const key of [old, other]) expect(await projects.insertKey(key)).toBe("inserted");
  expect(await projects.find("a")).toEqual(project);
  expect(await projects.keys("a")).toEqual([old, other, young]);
  expect(await projects.keys("a", "anthropic")).toEqual([other]);
  expect(await projects.allKeys()).toEqual([old, other, young]);
  expect(await projects.find("b")).toBeUndefined();
});

test("a name that is taken is refused and the key that came with it is not stored", async () => {
  const { projects } = await repository();
  await projects.insert(aProject("a"), undefined);
  expect(await projects.insert(aProject("b", { name: "a" }), aKey("k", "b"))).toBe("name_taken");
  expect(await projects.find("b")).toBeUndefined();
  expect(await projects.allKeys()).toEqual([]);
  await projects.insert(aProject("b"), aKey("k", "b"));
  expect(await projects.update("b", { name: "a", atMs: 2 })).toBe("name_taken");
  expect(await projects.insertKey(aKey("k2", "b"))).toBe("name_taken");
});

test("the list is ordered by name, filtered, searched by the plain text, and cut into pages", async () => {
  const { projects } = await repository();
  for (const name of ["b_1", "a%", "c!", "B"])
    await projects.insert(aProject(name, { isActive: name !== "c!" }), undefined);
  const names = async (...args: Parameters<typeof projects.list>) => {
    const { items, total } = await projects.list(...args);
    return { names: items.map(({ name }) => name), total };
  };
  expect(await names({}, undefined)).toEqual({ names: ["B", "a%", "b_1", "c!"], total: 4 });
  expect(await names({}, { offset: 1, limit: 2 })).toEqual({ names: ["a%", "b_1"], total: 4 });
  expect(await names({ isActive: false }, undefined)).toEqual({ names: ["c!"], total: 1 });
  expect(await names({ search: "b" }, undefined)).toEqual({ names: ["B", "b_1"], total: 2 });
  for (const [search, found] of [
    ["%", "a%"],
    ["_", "b_1"],
    ["!", "c!"],
  ] as const)
    expect(await names({ search }, undefined)).toEqual({ names: [found], total: 1 });
});

test("a change touches what it names and nothing else", async () => {
  const { projects } = await repository();
  await projects.insert(aProject("a"), undefined);
  expect(await projects.update("a", { name: "new", atMs: 2 })).toEqual({ tokensRevoked: 0 });
  expect(await projects.find("a")).toEqual(aProject("a", { name: "new", updatedAtMs: 2 }));
  await projects.update("a", { isActive: false, atMs: 3 });
  await projects.update("a", { isActive: false, provider: "groq", atMs: 4 });
  const off = aProject("a", {
    name: "new",
    provider: "groq",
    isActive: false,
    deactivatedAtMs: 3,
    updatedAtMs: 4,
  });
  expect(await projects.find("a")).toEqual(off);
  await projects.update("a", { isActive: true, atMs: 5 });
  expect(await projects.find("a")).toEqual({ ...off, isActive: true, deactivatedAtMs: null, updatedAtMs: 5 });
});

test("a replaced key keeps its place in the order, and a missing project changes nothing", async () => {
  const { projects } = await repository();
  await projects.insert(aProject("a"), aKey("k1", "a", { createdAtMs: 1 }));
  await projects.insertKey(aKey("k2", "a", { name: "second", createdAtMs: 2 }));
  const replaced = aKey("k1", "a", { sealed: "enc:v2:new", hint: "new", createdAtMs: 9 });
  await projects.update("a", { key: replaced, atMs: 9 });
  expect((await projects.keys("a")).map(({ id, sealed }) => [id, sealed])).toEqual([
    ["k1", "enc:v2:new"],
    ["k2", "enc:v2:k2"],
  ]);
  expect(await projects.update("b", { key: aKey("k3", "b"), atMs: 9 })).toBe("not_found");
  expect(await projects.allKeys()).toHaveLength(2);
});

test("two that set the first key of a project at once leave one key, sealed under its own id", async () => {
  const { projects } = await repository();
  await projects.insert(aProject("a"), undefined);
  await Promise.all(["k1", "k2"].map((id) => projects.update("a", { key: aKey(id, "a"), atMs: 2 })));
  expect((await projects.keys("a")).map(({ id, sealed }) => [id, sealed])).toEqual([["k2", "enc:v2:k2"]]);
});

test("revoking with the change counts the tokens that were still active", async () => {
  const { database, projects } = await repository();
  const tokens = createTokenRepository(database);
  for (const id of ["a", "b"]) await projects.insert(aProject(id), undefined);
  await tokens.insert(aToken("1", { projectId: "a" }));
  await tokens.insert(aToken("2", { projectId: "a", isActive: false }));
  await tokens.insert(aToken("3", { projectId: "b" }));
  expect(await projects.update("a", { isActive: false, revokeTokens: true, atMs: 7 })).toEqual({
    tokensRevoked: 1,
  });
  expect(await tokens.find("1")).toMatchObject({ isActive: false, deactivatedAtMs: 7 });
  expect(await tokens.find("3")).toMatchObject({ isActive: true });
});

test("the keys of hundreds of projects are read, and no others", async () => {
  const { projects } = await repository();
  const ids = Array.from({ length: 230 }, (_, index) => `p${index}`);
  for (const id of ids) await projects.insert(aProject(id), aKey(`k-${id}`, id));
  expect((await projects.keysOf(ids.slice(1))).map(({ projectId }) => projectId).sort()).toEqual(
    ids.slice(1).sort(),
  );
  expect(await projects.keysOf([])).toEqual([]);
});

test("a key is removed only by its own project", async () => {
  const { projects } = await repository();
  await projects.insert(aProject("a"), aKey("k", "a"));
  expect(await projects.removeKey("b", "k")).toBe(false);
  expect(await projects.removeKey("a", "k")).toBe(true);
  expect(await projects.removeKey("a", "k")).toBe(false);
});

const first = { id: "k", before: "enc:v2:k", after: "enc:v2:k2" };
const second = { id: "l", before: "enc:v2:l", after: "enc:v2:l2" };

test("sealing anew replaces every text and the key check together", async () => {
  const { database, projects } = await repository();
  const checks = createKeyCheckStore(database);
  expect(await checks.read()).toBeUndefined();
  expect(await checks.writeFirst("one")).toBe("one");
  expect(await checks.writeFirst("two")).toBe("one");
  await projects.insert(aProject("a"), aKey("k", "a"));
  const keyCheck = { before: "one", after: "three" };
  const keys = [{ id: "k", before: "enc:v2:k", after: "enc:v2:again" }];
  expect(await projects.reseal({ keys, keyCheck })).toBe("resealed");
  expect((await projects.keys("a"))[0]?.sealed).toBe("enc:v2:again");
  expect(await checks.read()).toBe("three");
});

test.each([
  ["a key was replaced", { keys: [{ id: "k", before: "enc:v2:old", after: "enc:v2:again" }, second] }],
  ["a key was removed", { keys: [first, second, { id: "gone", before: "enc:v2:gone", after: "x" }] }],
  ["a key was added", { keys: [first] }],
  ["another key came in force", { keyCheck: { before: "zero", after: "two" } }],
])("where %s meanwhile, nothing is sealed anew", async (_, stale) => {
  const { database, projects } = await repository();
  await createKeyCheckStore(database).writeFirst("one");
  await projects.insert(aProject("a"), aKey("k", "a"));
  await projects.insert(aProject("b"), aKey("l", "b"));
  const resealing = { keys: [first, second], keyCheck: { before: "one", after: "two" }, ...stale };
  expect(await projects.reseal(resealing)).toBe("changed_meanwhile");
  expect((await projects.allKeys()).map(({ sealed }) => sealed)).toEqual(["enc:v2:k", "enc:v2:l"]);
  expect(await createKeyCheckStore(database).read()).toBe("one");
});
