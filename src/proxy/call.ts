import type { Grant } from "../cache/grant-cache.ts";
import type { KeyRing } from "../cache/key-cache.ts";
import type { Provider } from "../provider/provider.ts";
import type { FactsReader, RequestFacts } from "../provider/request-facts.ts";
import type { Upgrade } from "./client-socket.ts";

/** Where a request came in, as the listener read it. */
export interface Inbound {
  /** Peer address, without port. */
  readonly address: string;
  /** Path as it stands in the request target, dot segments resolved, still encoded. */
  readonly path: string;
  /** With its `?`, or "". */
  readonly query: string;
  /** There where the request asks for a WebSocket. */
  readonly upgrade?: Upgrade | undefined;
  /** Tells that the answer is given: the connection may be closed now when it stays idle. */
  readonly rest: () => void;
}

/** What is known of any request, be it ever so wrong. */
export interface Arrival extends Inbound {
  readonly request: Request;
  readonly requestId: string;
  readonly correlationId: string;
  readonly clientIp: string;
  /** The other end of the connection, where that is a proxy. */
  readonly peerIp?: string;
  readonly atMs: number;
  /** Monotonic, for durations. */
  readonly startedMs: number;
}

/** 1 A request whose credential has been found and taken out of the query. */
export interface Call extends Arrival {
  readonly credential: string;
}

/** 3 What may be called, and where it is. */
export interface Permit {
  readonly grant: Grant;
  readonly provider: Provider;
  /** Path below the provider's base URL that was checked and will be sent. */
  readonly path: string;
  /** Known already where the choice of the provider needed it. */
  readonly ring: KeyRing | undefined;
}

/** The request body: none, held as a whole, or passing through. */
export type Body =
  | { readonly kind: "none" }
  | { readonly kind: "held"; readonly bytes: Uint8Array<ArrayBuffer> }
  | {
      readonly kind: "streamed";
      readonly stream: ReadableStream<Uint8Array>;
      /** Reads it as it passes: all facts are there when it has. */
      readonly facts: FactsReader;
    };

/** 4 What the limits gave. */
export interface Hold {
  /** What the request says of itself, as far as its body was held. */
  readonly facts: RequestFacts;
  /** Its entry in the ledger; null where that could not be told of it. */
  readonly entryId: string | null;
  /** Requests left of `max_requests`; undefined where there is no such limit. */
  readonly remainingRequests: number | undefined;
  /** Left of the budget, without what this request may use; undefined where there is none. */
  readonly remainingNanoUsd: bigint | undefined;
  /** The provider was never reached: it is to count for nothing. */
  release(): void;
  isReleased(): boolean;
}

/** When the attempt that gave an answer began, and when the answer's headers came; all in ms. */
export interface Times {
  /** Wall clock, for the timing headers. */
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  /** From the request's arrival to the answer's headers. */
  readonly ttfbMs: number;
}

/** 5 The provider's answer, before its body has passed. */
export interface Reply extends Times {
  /** Who gave it: the one of the permit, or one of its fallbacks. */
  readonly provider: Provider;
  readonly isFallback: boolean;
  readonly upstream: Response;
  readonly keyId: string;
  readonly deadline: Deadline;
  /** What is left of the time for a whole answer; 0: there is no limit. */
  readonly requestLeftMs: number;
  /** Attempts before the one that gave this answer. */
  readonly retries: number;
}

/** The timers over a call to a provider: one for each phase in turn, and one over all of it. */
export interface Deadline {
  /** Aborts when the time is over or the client has gone. */
  readonly signal: AbortSignal;
  /** Starts the time of a phase, in the place of the one before; 0: the phase has no limit. */
  arm(ms: number): void;
  /** The call is over, or its time no longer counts. */
  stop(): void;
  /** Told once when it stops; one that is told takes the place of the one before. */
  atStop(listener: () => void): void;
  /** Whether it was the time that ended the call. */
  hasExpired(): boolean;
}
