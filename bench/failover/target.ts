import type { Door, Seen } from "./client.ts";
import type { Entry } from "./evidence.ts";
import type { FakeProvider } from "./provider.ts";
import type { Scenario } from "./scenario.ts";

/** A scenario with two providers of its own, so that no scenario opens the circuit of another. */
export interface Stage {
  readonly scenario: Scenario;
  readonly primary: FakeProvider;
  readonly fallback: FakeProvider;
}

/** Something that programs send their requests to. */
export interface Target extends AsyncDisposable {
  readonly name: string;
  readonly version: string;
  /** For the results: how it was set up, as text with the addresses of one scenario. */
  readonly configuration: string;
  /** One for each stage, in their order. */
  readonly doors: readonly Door[];
  /** Looks a call up in its books. */
  readonly entriesOf?: (seen: Seen) => Promise<readonly Entry[]>;
}

/** Starts a target before these stages. @throws {Error} saying why it cannot take part */
export type OpenTarget = (stages: readonly Stage[], scale: number) => Promise<Target>;

/** Limits that every gateway gets, as far as it has them. Unscaled. */
export const limits = {
  /** Above the slowest first token that is fine, and far below what nobody waits for. */
  responseHeaderMs: 30_000,
  /** After the first attempt at a provider, before the other one is asked. */
  retriesMax: 1,
  retryOn: [429, 500, 502, 503, 504],
} as const;

/** The provider key of all targets. */
export const providerKey = "sk-failover";
