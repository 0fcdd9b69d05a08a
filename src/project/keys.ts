import type { Caller } from "../audit/entry.ts";
import type { Audit } from "../audit/service.ts";
import type { Clock } from "../clock.ts";
import type { Providers } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Secret } from "../secret.ts";
import type { GrantChanges } from "./grant-changes.ts";
import type { KeyRest, KeySealer, ProviderKey, ProviderKeyView } from "./provider-key.ts";
import { type ProjectReason, unknownProvider } from "./reason.ts";
import type { ProjectRepository } from "./repository.ts";

/** What the services of this room are made of. */
export interface ProjectDeps {
  readonly repository: ProjectRepository;
  readonly providers: Providers;
  readonly sealer: KeySealer;
  /** Whether the key of this sealed text is left alone at the moment. */
  readonly restOf: (sealed: string) => KeyRest | undefined;
  readonly changes: GrantChanges;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly newId: () => string;
}

export interface NewKey {
  readonly text: Secret;
  /** Default: the project's own provider. */
  readonly provider?: string;
  /** Default: `key-<n>`. */
  readonly name?: string;
  /** Default 1. */
  readonly weight?: number;
}

export interface ProjectKeys {
  list(projectId: string, caller: Caller): Promise<Result<readonly ProviderKeyView[], ProjectReason>>;
  add(projectId: string, wanted: NewKey, caller: Caller): Promise<Result<ProviderKeyView, ProjectReason>>;
  remove(projectId: string, keyId: string, caller: Caller): Promise<Result<undefined, ProjectReason>>;
  /** A key without its text. */
  show(key: ProviderKey): ProviderKeyView;
  /** Checks and seals a text; `replaces` gives its id, name and weight on. */
  make(wanted: {
    readonly projectId: string;
    readonly provider: string;
    readonly text: Secret;
    readonly name?: string;
    readonly weight?: number;
    readonly replaces?: ProviderKey | undefined;
  }): Result<ProviderKey, ProjectReason>;
}

const keyLengthMax = 4096;
/** What can stand in a header value; a blank or a line end is a slip in copying. */
const visibleAscii = /^[\x21-\x7e]+$/;
const keyName = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/;

/** The pool of provider keys of a project. */
export function createProjectKeys(deps: ProjectDeps): ProjectKeys {
  const { repository, audit, sealer } = deps;

  const show = (key: ProviderKey): ProviderKeyView => {
    const { sealed, ...shown } = key;
    const opened = sealer.open(key.projectId, key.id, sealed);
    const rest = deps.restOf(sealed);
    return { ...shown, status: opened.ok ? "ok" : "unreadable", ...(rest && { rest }) };
  };

  const make: ProjectKeys["make"] = ({ projectId, provider, text, name, weight, replaces }) => {
    const checked = checkText(text.reveal());
    if (!checked.ok) return checked;
    const id = replaces?.id ?? deps.newId();
    return ok({
      id,
      projectId,
      provider,
      name: replaces?.name ?? name ?? "default",
      weight: replaces?.weight ?? weight ?? 1,
      sealed: sealer.seal(projectId, id, text),
      hint: maskKey(text.reveal()),
      createdAtMs: deps.clock.now(),
    });
  };

  return {
    show,
    make,
    async list(projectId, caller) {
      if ((await repository.find(projectId)) === undefined) {
        audit.record("project.key_list", "failure", caller, { projectId, reason: "project_not_found" });
        return fail({ code: "project_not_found" });
      }
      const keys = await repository.keys(projectId);
      audit.record("project.key_list", "success", caller, { projectId, details: { key_count: keys.length } });
      return ok(keys.map(show));
    },

    async add(projectId, wanted, caller) {
      const refuse = (reason: ProjectReason) => {
        audit.record("project.key_add", "failure", caller, { projectId, reason: reason.code });
        return fail(reason);
      };
      const project = await repository.find(projectId);
      if (project === undefined) return refuse({ code: "project_not_found" });
      const provider = wanted.provider ?? project.provider;
      if (!deps.providers.byName.has(provider)) return refuse(unknownProvider(deps.providers, provider));
      const { weight = 1 } = wanted;
      if (!Number.isInteger(weight) || weight < 1 || weight > 1000)
        return refuse({ code: "key_weight_out_of_range" });
      const name = wanted.name ?? freeName(await repository.keys(projectId, provider));
      if (!keyName.test(name)) return refuse({ code: "key_name_invalid" });
      const key = make({ projectId, provider, text: wanted.text, name, weight });
      if (!key.ok) return refuse(key.error);
      if ((await repository.insertKey(key.value)) === "name_taken")
        return refuse({ code: "key_exists", name });
      deps.changes.projectChanged(projectId);
      audit.record("project.key_add", "success", caller, {
        projectId,
        details: { key_id: key.value.id, key_name: name, provider, weight },
      });
      return ok(show(key.value));
    },

    async remove(projectId, keyId, caller) {
      const isRemoved = await repository.removeKey(projectId, keyId);
      deps.changes.projectChanged(projectId);
      audit.record("project.key_remove", isRemoved ? "success" : "failure", caller, {
        projectId,
        details: { key_id: keyId },
        ...(isRemoved ? {} : { reason: "key_not_found" }),
      });
      return isRemoved ? ok(undefined) : fail({ code: "key_not_found" });
    },
  };
}

function checkText(text: string): Result<undefined, ProjectReason> {
  if (text === "") return fail({ code: "key_required" });
  if (text.includes("...") || text.includes("****")) return fail({ code: "key_obfuscated" });
  const isSealed = text.startsWith("enc:v1:") || text.startsWith("enc:v2:");
  if (isSealed || text.length > keyLengthMax || !visibleAscii.test(text))
    return fail({ code: "key_malformed" });
  return ok(undefined);
}

/** `key-2` for the second, and so on past the names that are taken. */
function freeName(keys: readonly ProviderKey[]): string {
  const taken = new Set(keys.map((key) => key.name));
  for (let number = keys.length + 1; ; number++) {
    const name = number === 1 ? "default" : `key-${number}`;
    if (!taken.has(name)) return name;
  }
}

/** What may be shown of a key (contract 1.6): up to 4 characters none, up to 12 the first 2, else first 8 and last 4. */
export function maskKey(text: string): string {
  if (text.length <= 4) return "*".repeat(text.length);
  if (text.length <= 12) return text.slice(0, 2) + "*".repeat(text.length - 2);
  return `${text.slice(0, 8)}...${text.slice(-4)}`;
}
