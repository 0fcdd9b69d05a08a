import { describe, expect, test } from "bun:test";
import { caller, openStore } from "../../test/harness/store.ts";
import type { Provider } from "../provider/provider.ts";
import { Secret } from "../secret.ts";
import { createProjectRepository } from "../storage/project-repository.ts";
import { maskKey } from "./keys.ts";
import { createProjects, type NewProject, type ProjectUpdate } from "./service.ts";

const keyText = "sk-live-PLAINMARK-0123456789";

async function setUp() {
  const store = await openStore();
  const repository = createProjectRepository(store.database);
  const changed: string[] = [];
  const provider = (name: string, scheme: "bearer" | "none") =>
    [name, { name, auth: { scheme } } as Provider] as const;
  const projects = createProjects({
    repository,
    providers: {
      byName: new Map([
        provider("openai", "bearer"),
        provider("local", "none"),
        provider("claude", "bearer"),
      ]),
      defaultName: "openai",
    },
    sealer: {
      seal: (projectId, keyId, text) => `enc:v2:${projectId}:${keyId}:${text.reveal().length}`,
      open: (projectId, keyId, sealed) =>
        sealed.startsWith(`enc:v2:${projectId}:${keyId}:`)
          ? { ok: true, value: new Secret("x") }
          : { ok: false, error: "unreadable" },
    },
    restOf: () => undefined,
    changes: { tokenChanged: () => {}, projectChanged: (id) => changed.push(id) },
    audit: store.audit,
    clock: store.clock,
    newId: store.newId,
  });
  const create = async (wanted: Partial<NewProject> = {}) => {
    const made = await projects.create({ name: "team", apiKey: new Secret(keyText), ...wanted }, caller);
    if (!made.ok) throw new Error(made.error.code);
    return made.value;
  };
  return { ...store, projects, repository, changed, create };
}

describe("creating a project", () => {
  test("seals its first key, shows its mask only, and stores the default provider of that moment", async () => {
    const { create, audited, entries } = await setUp();
    const made = await create({ name: "  team  " });
    expect(made.project).toMatchObject({ name: "team", provider: "openai", isActive: true });
    expect(made.keyHint).toBe("sk-live-...6789");
    expect(made.keys).toMatchObject([{ name: "default", weight: 1, status: "ok", provider: "openai" }]);
    expect(JSON.stringify([made, entries])).not.toContain("PLAINMARK");
    expect(await audited()).toEqual(["project.create success"]);
  });

  const refused: [name: string, wanted: Partial<NewProject>, code: string][] = [
    ["a blank name", { name: "  " }, "name_required"],
    ["a name of 256 characters", { name: "n".repeat(256) }, "name_too_long"],
    ["a name with a line end in it (SEC-107)", { name: "a\r\nb" }, "name_malformed"],
    ["a name with half a character in it", { name: "a\ud83d" }, "name_malformed"],
    ["no key", { apiKey: new Secret("") }, "key_required"],
    ["a provider that is not there", { provider: "opnai" }, "provider_unknown"],
    ["a masked key", { apiKey: new Secret("sk-live-...6789") }, "key_obfuscated"],
    ["a starred key", { apiKey: new Secret("sk****") }, "key_obfuscated"],
    ["a sealed text as key", { apiKey: new Secret("enc:v1:abcd") }, "key_malformed"],
    ["a key with a line end", { apiKey: new Secret("sk-abc\n") }, "key_malformed"],
    ["a key of more than 4 KiB", { apiKey: new Secret("k".repeat(4097)) }, "key_malformed"],
  ];
  test.each(refused)("with %s is refused, stored nowhere and audited", async (_, wanted, code) => {
    const { projects, repository, audited } = await setUp();
    const made = await projects.create({ name: "team", apiKey: new Secret(keyText), ...wanted }, caller);
    expect(made).toMatchObject({ error: { code } });
    expect((await repository.list({}, undefined)).total).toBe(0);
    expect(await audited()).toEqual([`project.create failure ${code}`]);
  });

  test("of a name that is taken is refused, and the first one keeps its key", async () => {
    const { create, projects } = await setUp();
    const first = await create();
    const second = await projects.create({ name: "team", apiKey: new Secret("sk-other-0000000000") }, caller);
    expect(second).toMatchObject({ error: { code: "project_exists" } });
    expect(await projects.get(first.project.id, caller)).toMatchObject({
      value: { keyHint: "sk-live-...6789" },
    });
  });

  test("needs no key where the provider takes none", async () => {
    const { projects } = await setUp();
    expect(await projects.create({ name: "x", provider: "local" }, caller)).toMatchObject({
      value: { keyHint: "", keys: [] },
    });
  });
});

describe("changing a project", () => {
  const refused: [name: string, change: ProjectUpdate, code: string][] = [
    ["nothing", {}, "no_fields_to_update"],
    ["a blank name", { name: " " }, "name_required"],
    ["an unknown provider", { provider: "x" }, "provider_unknown"],
    ["a masked key", { apiKey: new Secret("sk-live-...6789") }, "key_obfuscated"],
    ["revocation without deactivation", { revokeTokens: true }, "revoke_needs_inactive"],
    ["revocation with activation", { revokeTokens: true, isActive: true }, "revoke_needs_inactive"],
  ];
  test.each(refused)("by %s is refused and changes nothing", async (_, change, code) => {
    const { create, projects, changed } = await setUp();
    const { project, keyHint } = await create();
    expect(await projects.update(project.id, change, caller)).toMatchObject({ error: { code } });
    expect(changed).toEqual([]);
    expect(await projects.get(project.id, caller)).toMatchObject({ value: { project, keyHint } });
  });

  test("replaces the first key in its place, and is told to the caches", async () => {
    const { create, projects, changed } = await setUp();
    const { project, keys } = await create();
    const after = await projects.update(project.id, { apiKey: new Secret("sk-new-key-ABCDEFGH") }, caller);
    expect(after).toMatchObject({
      value: { keyHint: "sk-new-k...EFGH", keys: [{ id: keys[0]?.id, status: "ok" }] },
    });
    expect(changed).toEqual([project.id]);
  });

  test("leaves the key alone where the new one is empty", async () => {
    const { create, projects } = await setUp();
    const { project } = await create();
    expect(await projects.update(project.id, { apiKey: new Secret("") }, caller)).toMatchObject({
      value: { keyHint: "sk-live-...6789" },
    });
  });

  test("deactivates with its tokens and says how many; a project that is not there is told", async () => {
    const { create, projects } = await setUp();
    const { project } = await create();
    const off = await projects.update(project.id, { isActive: false, revokeTokens: true }, caller);
    expect(off).toMatchObject({ value: { project: { isActive: false }, tokensRevoked: 0 } });
    expect(await projects.update("none", { isActive: false }, caller)).toMatchObject({
      error: { code: "project_not_found" },
    });
  });
});

describe("keys of a project", () => {
  test("are added for any provider, named, weighed, listed and removed", async () => {
    const { create, projects, changed } = await setUp();
    const { project } = await create();
    const second = await projects.keys.add(
      project.id,
      { text: new Secret("sk-second-0000"), weight: 3 },
      caller,
    );
    expect(second).toMatchObject({ value: { name: "key-2", weight: 3, provider: "openai" } });
    const other = await projects.keys.add(
      project.id,
      { text: new Secret("sk-ant-000000000"), provider: "claude", name: "main" },
      caller,
    );
    expect(other).toMatchObject({ value: { name: "main", provider: "claude" } });
    expect(await projects.keys.list(project.id, caller)).toMatchObject({ value: { length: 3 } });
    expect(changed.length).toBe(2);
    const id = second.ok ? second.value.id : "";
    expect((await projects.keys.remove(project.id, id, caller)).ok).toBe(true);
    expect(await projects.keys.remove(project.id, id, caller)).toMatchObject({
      error: { code: "key_not_found" },
    });
  });

  test.each([
    ["an unknown project", "none", {}, "project_not_found"],
    ["a weight of 0", "", { weight: 0 }, "key_weight_out_of_range"],
    ["a name with a line end", "", { name: "a\nb" }, "key_name_invalid"],
    ["a name that is taken", "", { name: "default" }, "key_exists"],
    ["an unknown provider", "", { provider: "x" }, "provider_unknown"],
  ])("with %s are refused", async (_, id, wanted, code) => {
    const { create, projects } = await setUp();
    const { project } = await create();
    const added = await projects.keys.add(
      id || project.id,
      { text: new Secret("sk-000000000000"), ...wanted },
      caller,
    );
    expect(added).toMatchObject({ error: { code } });
  });
});

test("one key that cannot be opened does not break the list (SEC-109)", async () => {
  const { create, projects, repository } = await setUp();
  const { project, keys } = await create();
  const first = (await repository.keys(project.id))[0];
  if (first === undefined) throw new Error("no key");
  await repository.update(project.id, { atMs: 0, key: { ...first, sealed: "enc:v2:other" } });
  const listed = await projects.list({}, undefined, caller);
  expect(listed.items[0]?.keys).toMatchObject([{ id: keys[0]?.id, status: "unreadable" }]);
});

test.each([
  ["", ""],
  ["abcd", "****"],
  ["abcdef", "ab****"],
  ["abcdefghijklm", "abcdefgh...jklm"],
])("the mask of %p is %p", (text, mask) => {
  expect(maskKey(text)).toBe(mask);
});
