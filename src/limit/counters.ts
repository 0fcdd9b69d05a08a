/** Lifetime counting of forwarded requests for tokens that have `max_requests`. */
export interface RequestCounter {
  /** Counts one request if the token's limit allows it; one atomic conditional update, exact under any concurrency. */
  take(tokenId: string, atMs: number): Promise<{ readonly remaining: number } | "exhausted">;
  /** Gives one back: the provider was never reached. */
  refund(tokenId: string): Promise<void>;
}
