/** The shape of an API family's errors, and where its usage is found. */
export type DialectName = "openai" | "anthropic" | "gemini" | "none";

/** How a provider wants its key. `none` is for local servers without keys. */
export type AuthScheme =
  | { readonly scheme: "bearer" }
  | { readonly scheme: "header"; readonly name: string; readonly prefix: string }
  | { readonly scheme: "query"; readonly name: string }
  | { readonly scheme: "none" };

/** All in milliseconds; 0 means no limit. */
export interface ProviderTimeouts {
  /** A whole answer that is not streamed; for a stream the time until its first byte. */
  readonly requestMs: number;
  /** From sending the request until the answer's headers. */
  readonly responseHeaderMs: number;
  /** Silence between two chunks of a stream. */
  readonly streamIdleMs: number;
  /** Everything, streams too. */
  readonly totalMs: number;
}

/** When a call that failed is made again, before a byte of an answer has gone to the client. */
export interface RetryPolicy {
  /** Attempts after the first; 0 is none. Moves to another key of the pool do not count. */
  readonly max: number;
  /** Statuses of answers after which it is tried again. Connections that did not come about always count. */
  readonly onStatus: readonly number[];
  /** A provider that asks to wait for longer is not waited for: its answer is handed on. */
  readonly delayMsMax: number;
}

/** How a connection to a provider is secured, beyond what holds for all: the machine's roots and the host of its URL. */
export interface ProviderTls {
  /** PEM of the only roots that are trusted. */
  readonly ca?: string;
  /** PEM of the certificate that is shown where the provider asks for one. */
  readonly cert?: string;
  /** PEM; a secret. */
  readonly key?: string;
  /** Asked for, and looked for in the certificate, instead of the host of the URL. */
  readonly serverName?: string;
}

/** A configured upstream API. Made by `config/providers.ts` only, so that what is here has been checked. */
export interface Provider {
  readonly name: string;
  /** Scheme, host and port, without a slash at the end: `https://api.openai.com`. */
  readonly origin: string;
  /** Path of the base URL, "" or starting with a slash and without one at the end: `/openai/v1`. */
  readonly basePath: string;
  /** Whose addresses its name may have: `as_written` is an address, or `localhost`, and is not resolved here. */
  readonly reach: "as_written" | "public" | "private";
  /** Whether an outbound proxy finds its address; not for WebSockets. */
  readonly isProxied?: boolean;
  readonly dialect: DialectName;
  readonly auth: AuthScheme;
  /** Header name (lower case) to value, set on every request upstream. */
  readonly staticHeaders: readonly (readonly [string, string])[];
  /** Allow-list entries as written, see project/policy.ts for their meaning. Never empty. */
  readonly allowedEndpoints: readonly string[];
  /** Upper case; contains HEAD where it contains GET. Never empty. */
  readonly allowedMethods: readonly string[];
  readonly timeouts: ProviderTimeouts;
  readonly retry: RetryPolicy;
  /** Names of those that are asked where this one gives nothing to hand on, in order; all speak its dialect. */
  readonly fallback: readonly string[];
  /** Parameter name to glob patterns (contract 2.4). Empty: no body has to be read. */
  readonly paramWhitelist: ReadonlyMap<string, readonly string[]>;
  /** Exact origins; empty means any. */
  readonly allowedOrigins: readonly string[];
  /** Lower case. */
  readonly requiredHeaders: readonly string[];
  readonly tls?: ProviderTls;
}

/** Every provider of the provider file. */
export interface Providers {
  readonly byName: ReadonlyMap<string, Provider>;
  /** Where a project that names none goes; always a key of `byName`. */
  readonly defaultName: string;
}
