import type { AuditEntry } from "../../src/audit/entry.ts";
import { noLimits } from "../../src/limit/limits.ts";
import type { Project } from "../../src/project/project.ts";
import type { ProviderKey } from "../../src/project/provider-key.ts";
import type { Token } from "../../src/token/token.ts";
import type { UsageRecord } from "../../src/usage/record.ts";
import { noUsage } from "../../src/usage/usage.ts";

/** An active project whose name is its id. */
export function aProject(id: string, changes: Partial<Project> = {}): Project {
  return {
    id,
    name: id,
    provider: "openai",
    isActive: true,
    deactivatedAtMs: null,
    expiresAtMs: null,
    limits: noLimits,
    requestCount: 0,
    createdAtMs: 1,
    updatedAtMs: 1,
    ...changes,
  };
}

/** A key named `default`, with a sealed text that does not open. */
export function aKey(id: string, projectId: string, changes: Partial<ProviderKey> = {}): ProviderKey {
  return {
    id,
    projectId,
    provider: "openai",
    name: "default",
    weight: 1,
    sealed: `enc:v2:${id}`,
    hint: "sk-…",
    createdAtMs: 1,
    ...changes,
  };
}

/** An active token without a limit, of project `p`. */
export function aToken(id: string, changes: Partial<Token> = {}): Token {
  return {
    id,
    projectId: "p",
    hash: id.padStart(64, "0"),
    hint: "abcd",
    expiresAtMs: 1_000,
    isActive: true,
    deactivatedAtMs: null,
    limits: noLimits,
    requestCount: 0,
    cacheHitCount: 0,
    createdAtMs: 1,
    lastUsedAtMs: null,
    ...changes,
  };
}

/** An entry of an action that went well, with nothing but what every entry has. */
export function anEntry(id: string, changes: Partial<AuditEntry> = {}): AuditEntry {
  return {
    id,
    atMs: 1,
    action: "token.create",
    outcome: "success",
    actor: "management_api",
    projectId: "",
    tokenId: "",
    requestId: "",
    correlationId: "",
    clientIp: "",
    method: "",
    path: "",
    userAgent: "",
    reason: "",
    details: {},
    ...changes,
  };
}

/** A request of token `t` of project `p` that went well. */
export function aRecord(requestId: string, changes: Partial<UsageRecord> = {}): UsageRecord {
  return {
    requestId,
    atMs: 1,
    projectId: "p",
    tokenId: "t",
    provider: "openai",
    keyId: "k",
    method: "POST",
    path: "/v1/chat/completions",
    status: 200,
    outcome: "complete",
    errorCode: "",
    isStream: false,
    durationMs: 12,
    ttfbMs: 3,
    requestBytes: 10,
    responseBytes: 20,
    costNanoUsd: null,
    model: "gpt-5",
    answeredModel: "gpt-5-2025-08-07",
    usage: { ...noUsage, inputTokens: 7, outputTokens: 3 },
    usageRaw: "",
    alsoBilled: [],
    ...changes,
  };
}
