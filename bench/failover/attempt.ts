/** The two that a gateway may ask. */
export type ProviderName = "primary" | "fallback";

/** One request as it came to a fake provider. */
export interface Attempt {
  readonly provider: ProviderName;
  /** Of the call it was made for. */
  readonly callId: string;
  /** `performance.now()` when its body was whole. */
  readonly atMs: number;
  readonly isStream: boolean;
  /** The conversation as it came, as JSON. */
  readonly messages: string;
  /** Tokens of the answer said so far. */
  tokens: number;
  /** Bytes of the answer's body so far, without framing. */
  bodyBytes: number;
  /** It began to give an answer with 200: from there on it is paid for. */
  isBilled: boolean;
  /** It asked not to be called again for so long; 0: it did not. */
  waitToldMs: number;
  /** Its script has come to its end. */
  hasActed: boolean;
  /** Its connection has gone, whoever closed it. */
  isCut(): boolean;
}
