import type { Result } from "../result.ts";
import type { Secret } from "../secret.ts";

/** A provider key at rest. Its text is only in `sealed`. */
export interface ProviderKey {
  /** UUID v4. */
  readonly id: string;
  readonly projectId: string;
  readonly provider: string;
  /** For people; unique within project and provider, 1 to 100 characters. */
  readonly name: string;
  /** Share of the traffic among the keys of one project and provider: 1 to 1000. */
  readonly weight: number;
  /** `enc:v2:...`, see crypto/seal.ts. */
  readonly sealed: string;
  /** What may be shown: the masked text (contract 1.6). */
  readonly hint: string;
  readonly createdAtMs: number;
}

/** That a key is left alone by the data plane of this process. */
export interface KeyRest {
  /** Wall clock, ms since the epoch. */
  readonly untilMs: number;
  /** Of the provider's answer that was the cause. */
  readonly status: number;
}

/** A provider key without its text. */
export interface ProviderKeyView extends Omit<ProviderKey, "sealed"> {
  readonly rest?: KeyRest;
  /** `unreadable`: sealed under another encryption key, or damaged. */
  readonly status: "ok" | "unreadable";
}

/** Seals and opens provider keys; bound to project and key id, so that a row copied elsewhere does not open. */
export interface KeySealer {
  seal(projectId: string, keyId: string, text: Secret): string;
  open(projectId: string, keyId: string, sealed: string): Result<Secret, "unreadable">;
}
