/** How a proxied request ended; one word that metrics, usage, events and logs share. */
export type Outcome =
  | "complete"
  | "client_cancelled"
  | "upstream_cut"
  | "upstream_timeout"
  | "upstream_error"
  | "refused";

/** One row per proxied request whose token is known: who, what, how it ended, times and sizes. */
export interface UsageRecord {
  /** The request id that the caller saw. */
  readonly requestId: string;
  /** When it came, ms since the epoch. */
  readonly atMs: number;
  readonly projectId: string;
  readonly tokenId: string;
  /** Empty where none was chosen yet. */
  readonly provider: string;
  /** The provider key that was used; empty where none was. */
  readonly keyId: string;
  readonly method: string;
  /** Path that was sent, without the query; cut at 500 characters. */
  readonly path: string;
  /** Status the caller got; 499 where it hung up before there was one. */
  readonly status: number;
  readonly outcome: Outcome;
  /** Our refusal code, empty if none. */
  readonly errorCode: string;
  readonly isStream: boolean;
  readonly durationMs: number;
  /** From the request's arrival to the first byte of the provider's answer; null where none came. */
  readonly ttfbMs: number | null;
  /** Bytes of the request body as far as known; of the answer's body as relayed. */
  readonly requestBytes: number;
  readonly responseBytes: number;
}
