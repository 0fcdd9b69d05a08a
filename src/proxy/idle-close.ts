import type { Clock } from "../clock.ts";

/** A provider and we count from different moments, over a network. */
const slackMsMax = 1_000;

interface Idle {
  readonly msMax: number;
  readonly sinceMs: number;
}

/** Knows when providers close connections that idle, as far as they say so (`Keep-Alive: timeout=5`). */
export interface IdleClose {
  /**
   * Whether a connection that idles since the last answer of this place may be closed just now: a request on it could be
   * lost without an answer, and nobody would know whether it was read. Before that time the connection is open, and after it
   * the runtime has thrown it away.
   */
  isDue(place: object): boolean;
  /** An answer with these headers has ended, and its connection is kept. */
  ended(place: object, headers: Headers): void;
}

/** A place is forgotten with its object. */
export function createIdleClose(clock: Clock): IdleClose {
  const places = new WeakMap<object, Idle>();
  return {
    isDue(place) {
      const idle = places.get(place);
      if (idle === undefined) return false;
      const slackMs = Math.min(slackMsMax, idle.msMax / 2);
      return Math.abs(clock.monotonic() - idle.sinceMs - idle.msMax) < slackMs;
    },
    ended(place, headers) {
      const timeoutS = /\btimeout\s*=\s*(\d{1,6})/i.exec(headers.get("keep-alive") ?? "")?.[1];
      if (timeoutS === undefined) places.delete(place);
      else places.set(place, { msMax: Number(timeoutS) * 1_000, sinceMs: clock.monotonic() });
    },
  };
}
