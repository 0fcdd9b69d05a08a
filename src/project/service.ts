import type { AuditDetails, Caller } from "../audit/entry.ts";
import { fieldNames } from "../audit/field-names.ts";
import { noLimits } from "../limit/limits.ts";
import { readLimits, type WantedLimits } from "../limit/wanted.ts";
import type { Listed, Page } from "../page.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Secret } from "../secret.ts";
import { createProjectKeys, type ProjectDeps, type ProjectKeys } from "./keys.ts";
import type { Project } from "./project.ts";
import type { ProviderKeyView } from "./provider-key.ts";
import { type ProjectReason, unknownProvider } from "./reason.ts";
import type { ProjectFilter } from "./repository.ts";

/** A project with what may be shown of its keys. */
export interface ProjectView {
  readonly project: Project;
  /** Masked text of the first key of its default provider; empty where it has none. */
  readonly keyHint: string;
  readonly keys: readonly ProviderKeyView[];
}

/** What may be set when a project is made, and later. */
interface ProjectSettings extends WantedLimits {
  /** null: never. */
  readonly expiresAtMs?: number | null;
}

export interface NewProject extends ProjectSettings {
  readonly name: string;
  readonly provider?: string;
  /** Needed unless the provider is one without keys (`auth: none`). */
  readonly apiKey?: Secret;
}

export interface ProjectUpdate extends ProjectSettings {
  readonly name?: string;
  readonly provider?: string;
  /** Replaces the first key of the default provider; an empty text leaves it unchanged. */
  readonly apiKey?: Secret;
  readonly isActive?: boolean;
  /** Only together with `isActive: false`. */
  readonly revokeTokens?: boolean;
}

export interface Projects {
  create(wanted: NewProject, caller: Caller): Promise<Result<ProjectView, ProjectReason>>;
  list(filter: ProjectFilter, page: Page | undefined, caller: Caller): Promise<Listed<ProjectView>>;
  get(id: string, caller: Caller): Promise<Result<ProjectView, ProjectReason>>;
  update(
    id: string,
    change: ProjectUpdate,
    caller: Caller,
  ): Promise<Result<ProjectView & { readonly tokensRevoked: number | undefined }, ProjectReason>>;
  /** Projects are never deleted; the try is audited. */
  refuseDelete(id: string, caller: Caller): void;
  readonly keys: ProjectKeys;
}

export const projectNameMax = 255;

/** Creates, shows and changes projects and their keys. Every call is audited, and a change holds when it returns. */
export function createProjects(deps: ProjectDeps): Projects {
  const { repository, audit, clock } = deps;
  const keys = createProjectKeys(deps);

  async function view(project: Project): Promise<ProjectView> {
    const own = (await repository.keys(project.id)).map(keys.show);
    return { project, keys: own, keyHint: firstHint(project, own) };
  }

  async function create(wanted: NewProject, caller: Caller): Promise<Result<ProjectView, ProjectReason>> {
    const refuse = (reason: ProjectReason) => {
      audit.record("project.create", "failure", caller, {
        reason: reason.code,
        details: { project_name: wanted.name.slice(0, projectNameMax) },
      });
      return fail(reason);
    };
    const name = readName(wanted.name);
    if (!name.ok) return refuse(name.error);
    const providerName = wanted.provider ?? deps.providers.defaultName;
    const provider = deps.providers.byName.get(providerName);
    if (provider === undefined) return refuse(unknownProvider(deps.providers, providerName));
    const settings = readSettings(wanted, clock.now());
    if (!settings.ok) return refuse(settings.error);
    const { limits, expiresAtMs = null } = settings.value;
    const hasKey = wanted.apiKey !== undefined && wanted.apiKey.reveal() !== "";
    if (!hasKey && provider.auth.scheme !== "none") return refuse({ code: "key_required" });

    const id = deps.newId();
    const key =
      hasKey && wanted.apiKey
        ? keys.make({ projectId: id, provider: providerName, text: wanted.apiKey })
        : undefined;
    if (key !== undefined && !key.ok) return refuse(key.error);
    const nowMs = clock.now();
    const project: Project = {
      id,
      name: name.value,
      provider: providerName,
      isActive: true,
      deactivatedAtMs: null,
      expiresAtMs,
      limits: { ...noLimits, ...limits },
      requestCount: 0,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    if ((await repository.insert(project, key?.value)) === "name_taken")
      return refuse({ code: "project_exists", name: name.value });
    audit.record("project.create", "success", caller, {
      projectId: id,
      details: { project_name: project.name, provider: providerName },
    });
    return ok(await view(project));
  }

  async function list(filter: ProjectFilter, page: Page | undefined, caller: Caller) {
    const listed = await repository.list(filter, page);
    const own = Map.groupBy(
      await repository.keysOf(listed.items.map((project) => project.id)),
      (key) => key.projectId,
    );
    const items = listed.items.map((project) => {
      const shown = (own.get(project.id) ?? []).map(keys.show);
      return { project, keys: shown, keyHint: firstHint(project, shown) };
    });
    audit.record("project.list", "success", caller, { details: { project_count: items.length } });
    return { items, total: listed.total };
  }

  async function get(id: string, caller: Caller): Promise<Result<ProjectView, ProjectReason>> {
    const project = await repository.find(id);
    if (project === undefined) {
      audit.record("project.read", "failure", caller, { projectId: id, reason: "project_not_found" });
      return fail({ code: "project_not_found" });
    }
    audit.record("project.read", "success", caller, { projectId: id });
    return ok(await view(project));
  }

  /** Checks the change against itself and the project; gives it as the repository takes it. */
  async function prepare(project: Project, change: ProjectUpdate) {
    if (change.revokeTokens && change.isActive !== false)
      return fail({ code: "revoke_needs_inactive" as const });
    const name = change.name === undefined ? undefined : readName(change.name);
    if (name !== undefined && !name.ok) return name;
    const settings = readSettings(change, clock.now());
    if (!settings.ok) return settings;
    const provider = change.provider ?? project.provider;
    if (change.provider !== undefined && !deps.providers.byName.has(provider))
      return fail(unknownProvider(deps.providers, provider));
    const text = change.apiKey?.reveal() === "" ? undefined : change.apiKey;
    const first = text && (await repository.keys(project.id, provider))[0];
    const key = text && keys.make({ projectId: project.id, provider, text, replaces: first });
    if (key !== undefined && !key.ok) return key;
    return ok({
      atMs: clock.now(),
      ...settings.value,
      ...(name && { name: name.value }),
      ...(change.provider !== undefined && { provider }),
      ...(change.isActive !== undefined && { isActive: change.isActive }),
      ...(change.revokeTokens && { revokeTokens: true }),
      ...(key && { key: key.value }),
    });
  }

  async function update(id: string, change: ProjectUpdate, caller: Caller) {
    const fields = fieldNames(change); // a key is named, never shown
    const details: AuditDetails = { updated_fields: fields };
    const refuse = (reason: ProjectReason) => {
      audit.record("project.update", "failure", caller, { projectId: id, reason: reason.code, details });
      return fail(reason);
    };
    if (fields.length === 0) return refuse({ code: "no_fields_to_update" });
    const before = await repository.find(id);
    if (before === undefined) return refuse({ code: "project_not_found" });
    const prepared = await prepare(before, change);
    if (!prepared.ok) return refuse(prepared.error);

    const done = await repository.update(id, prepared.value);
    if (done === "not_found") return refuse({ code: "project_not_found" });
    if (done === "name_taken") return refuse({ code: "project_exists", name: prepared.value.name ?? "" });
    deps.changes.projectChanged(id);
    const tokensRevoked = change.revokeTokens ? done.tokensRevoked : undefined;
    audit.record("project.update", "success", caller, {
      projectId: id,
      details: tokensRevoked === undefined ? details : { ...details, tokens_revoked: tokensRevoked },
    });
    const after = (await repository.find(id)) ?? before;
    return ok({ ...(await view(after)), tokensRevoked });
  }

  return {
    create,
    list,
    get,
    update,
    refuseDelete: (id, caller) =>
      audit.record("project.delete", "failure", caller, { projectId: id, reason: "method_not_allowed" }),
    keys,
  };
}

/** The settings that are given, as they are stored. */
function readSettings({ expiresAtMs, ...wanted }: ProjectSettings, nowMs: number) {
  const limits = readLimits(wanted);
  if (!limits.ok) return limits;
  if (expiresAtMs !== undefined && expiresAtMs !== null && expiresAtMs <= nowMs)
    return fail({ code: "expiry_in_the_past" as const });
  return ok({
    limits: limits.value,
    ...(expiresAtMs !== undefined && { expiresAtMs }),
  });
}

function readName(text: string): Result<string, ProjectReason> {
  const name = text.trim();
  if (name === "") return fail({ code: "name_required" });
  if (name.length > projectNameMax) return fail({ code: "name_too_long" });
  return /[\p{Cc}\p{Cs}]/u.test(name) ? fail({ code: "name_malformed" }) : ok(name);
}

function firstHint(project: Project, keys: readonly ProviderKeyView[]): string {
  return keys.find((key) => key.provider === project.provider)?.hint ?? "";
}
