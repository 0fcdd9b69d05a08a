import type { Caller } from "../audit/entry.ts";
import { fieldNames } from "../audit/field-names.ts";
import type { Audit } from "../audit/service.ts";
import type { Clock } from "../clock.ts";
import { noLimits } from "../limit/limits.ts";
import { type LimitFault, readLimits, type WantedLimits } from "../limit/wanted.ts";
import type { Listed, Page } from "../page.ts";
import type { GrantChanges } from "../project/grant-changes.ts";
import type { ProjectRepository } from "../project/repository.ts";
import { fail, ok, type Result } from "../result.ts";
import type { TokenFilter, TokenRepository } from "./repository.ts";
import { hashToken, makeTokenText, tokenHint } from "./secret.ts";
import type { Token } from "./token.ts";

export const durationMinutesMax = 525_600;
const minuteMs = 60_000;

export type TokenReason =
  | { readonly code: "project_not_found" }
  | { readonly code: "project_inactive" }
  | { readonly code: "token_not_found" }
  | { readonly code: "token_expired" }
  | { readonly code: "no_fields_to_update" }
  | { readonly code: "expiry_missing" }
  | { readonly code: "expiry_ambiguous" }
  | { readonly code: "duration_out_of_range" }
  | LimitFault;

export interface NewToken extends WantedLimits {
  readonly projectId: string;
  /** Whole minutes, 1 to 525,600. Either this or `expiresAtMs`. */
  readonly durationMinutes?: number;
  readonly expiresAtMs?: number;
}

export interface TokenUpdate extends WantedLimits {
  readonly isActive?: boolean;
  /** Either this, counted from now, or `expiresAtMs`. */
  readonly durationMinutes?: number;
  readonly expiresAtMs?: number;
}

export interface RevokedAll {
  readonly revoked: number;
  readonly alreadyRevoked: number;
  readonly total: number;
}

export interface Tokens {
  /** Makes a token; `text` is shown to the caller once and kept nowhere. */
  issue(
    wanted: NewToken,
    caller: Caller,
  ): Promise<Result<{ readonly token: Token; readonly text: string }, TokenReason>>;
  list(filter: TokenFilter, page: Page | undefined, caller: Caller): Promise<Listed<Token>>;
  get(id: string, caller: Caller): Promise<Result<Token, TokenReason>>;
  update(id: string, change: TokenUpdate, caller: Caller): Promise<Result<Token, TokenReason>>;
  /** Idempotent. */
  revoke(id: string, caller: Caller): Promise<Result<Token, TokenReason>>;
  revokeAll(projectId: string, caller: Caller): Promise<Result<RevokedAll, TokenReason>>;
}

interface TokenDeps {
  readonly repository: TokenRepository;
  readonly projects: Pick<ProjectRepository, "find">;
  readonly changes: GrantChanges;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly random: (bytes: number) => Uint8Array;
  /** Books what has ended, so that the counts that are read are whole. */
  readonly settleCounts: () => Promise<void>;
}

/** Issues, shows, changes and revokes tokens. Every call is audited, and a change holds when it returns. */
export function createTokens(deps: TokenDeps): Tokens {
  const { repository, audit, clock } = deps;

  async function issue(wanted: NewToken, caller: Caller) {
    const refuse = (reason: TokenReason) => {
      audit.record("token.create", "failure", caller, { projectId: wanted.projectId, reason: reason.code });
      return fail(reason);
    };
    const nowMs = clock.now();
    const expiry = readExpiry(wanted, nowMs);
    if (!expiry.ok) return refuse(expiry.error);
    const limits = readLimits(wanted);
    if (!limits.ok) return refuse(limits.error);
    const project = await deps.projects.find(wanted.projectId);
    if (project === undefined) return refuse({ code: "project_not_found" });
    if (!project.isActive) return refuse({ code: "project_inactive" });

    const text = makeTokenText(deps.random);
    const token: Token = {
      id: deps.newId(),
      projectId: project.id,
      hash: hashToken(text),
      hint: tokenHint(text),
      expiresAtMs: expiry.value,
      isActive: true,
      deactivatedAtMs: null,
      limits: { ...noLimits, ...limits.value },
      requestCount: 0,
      cacheHitCount: 0,
      createdAtMs: nowMs,
      lastUsedAtMs: null,
    };
    await repository.insert(token);
    audit.record("token.create", "success", caller, {
      projectId: project.id,
      tokenId: token.id,
      details: {
        duration_minutes: Math.round((token.expiresAtMs - nowMs) / minuteMs),
        expires_at: new Date(token.expiresAtMs).toISOString(),
        max_requests: token.limits.maxRequests ?? "unlimited",
      },
    });
    return ok({ token, text });
  }

  async function list(filter: TokenFilter, page: Page | undefined, caller: Caller): Promise<Listed<Token>> {
    await deps.settleCounts();
    const listed = await repository.list(filter, page);
    audit.record("token.list", "success", caller, {
      ...(filter.projectId === undefined ? {} : { projectId: filter.projectId }),
      details: { token_count: listed.items.length, filtered_by_project: filter.projectId !== undefined },
    });
    return listed;
  }

  async function get(id: string, caller: Caller): Promise<Result<Token, TokenReason>> {
    await deps.settleCounts();
    const token = await repository.find(id);
    if (token === undefined) {
      audit.record("token.read", "failure", caller, { tokenId: id, reason: "token_not_found" });
      return fail({ code: "token_not_found" });
    }
    audit.record("token.read", "success", caller, { projectId: token.projectId, tokenId: id });
    return ok(token);
  }

  async function update(
    id: string,
    change: TokenUpdate,
    caller: Caller,
  ): Promise<Result<Token, TokenReason>> {
    const refuse = (reason: TokenReason) => {
      audit.record("token.update", "failure", caller, { tokenId: id, reason: reason.code });
      return fail(reason);
    };
    const { isActive } = change;
    const fields = fieldNames(change);
    if (fields.length === 0) return refuse({ code: "no_fields_to_update" });
    const limits = readLimits(change);
    if (!limits.ok) return refuse(limits.error);
    const nowMs = clock.now();
    const changesExpiry = change.durationMinutes !== undefined || change.expiresAtMs !== undefined;
    const expiry = changesExpiry ? readExpiry(change, nowMs) : undefined;
    if (expiry?.ok === false) return refuse(expiry.error);
    const before = await repository.find(id);
    if (before === undefined) return refuse({ code: "token_not_found" });
    if (isActive === true && !before.isActive && (expiry?.value ?? before.expiresAtMs) <= nowMs)
      return refuse({ code: "token_expired" });

    await repository.update(id, {
      atMs: nowMs,
      limits: limits.value,
      ...(isActive !== undefined && { isActive }),
      ...(expiry && { expiresAtMs: expiry.value }),
    });
    deps.changes.tokenChanged(id);
    const after = await repository.find(id);
    if (after === undefined) return refuse({ code: "token_not_found" });
    audit.record("token.update", "success", caller, {
      projectId: after.projectId,
      tokenId: id,
      details: {
        ...(isActive === undefined ? {} : { updated_is_active: isActive }),
        ...(limits.value.maxRequests !== undefined && {
          updated_max_requests: limits.value.maxRequests ?? "unlimited",
        }),
        updated_fields: fields,
      },
    });
    return ok(after);
  }

  async function revoke(id: string, caller: Caller): Promise<Result<Token, TokenReason>> {
    const before = await repository.find(id);
    if (before === undefined) {
      audit.record("token.revoke", "failure", caller, { tokenId: id, reason: "token_not_found" });
      return fail({ code: "token_not_found" });
    }
    if (before.isActive) {
      await repository.update(id, { isActive: false, atMs: clock.now() });
      deps.changes.tokenChanged(id);
    }
    audit.record("token.revoke", "success", caller, {
      projectId: before.projectId,
      tokenId: id,
      details: { already_revoked: !before.isActive },
    });
    return ok(before);
  }

  async function revokeAll(projectId: string, caller: Caller): Promise<Result<RevokedAll, TokenReason>> {
    if ((await deps.projects.find(projectId)) === undefined) {
      audit.record("token.revoke_batch", "failure", caller, { projectId, reason: "project_not_found" });
      return fail({ code: "project_not_found" });
    }
    const result = await repository.revokeAll(projectId, clock.now());
    deps.changes.projectChanged(projectId);
    audit.record("token.revoke_batch", "success", caller, {
      projectId,
      details: {
        total_tokens: result.total,
        revoked_count: result.revoked,
        already_revoked_count: result.alreadyRevoked,
      },
    });
    return ok(result);
  }

  return { issue, list, get, update, revoke, revokeAll };
}

/** The moment of expiry: at least a moment from now, at most 365 days. */
function readExpiry(
  wanted: Pick<NewToken, "durationMinutes" | "expiresAtMs">,
  nowMs: number,
): Result<number, TokenReason> {
  const { durationMinutes, expiresAtMs } = wanted;
  if (durationMinutes !== undefined && expiresAtMs !== undefined) return fail({ code: "expiry_ambiguous" });
  if (durationMinutes !== undefined) {
    if (!Number.isInteger(durationMinutes) || durationMinutes < 1) return fail({ code: "expiry_missing" });
    if (durationMinutes > durationMinutesMax) return fail({ code: "duration_out_of_range" });
    return ok(nowMs + durationMinutes * minuteMs);
  }
  if (expiresAtMs === undefined) return fail({ code: "expiry_missing" });
  const isInRange = expiresAtMs > nowMs && expiresAtMs <= nowMs + durationMinutesMax * minuteMs;
  return isInRange ? ok(expiresAtMs) : fail({ code: "duration_out_of_range" });
}
