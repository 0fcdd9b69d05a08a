/** How long what was taken counts for `rpm` and `tpm`. */
export const windowMs = 60_000;

/** The times of the requests of the last 60 seconds: at most `limit` in any 60 seconds, wherever they begin. */
export interface RequestWindow {
  /** How long until one more may pass, ms; 0 is now. */
  waitMs(limit: number, nowMs: number): number;
  add(nowMs: number): void;
  /** Takes back one that was added at that time. */
  remove(atMs: number): void;
  isEmpty(nowMs: number): boolean;
}

/** Eight bytes a request, for as long as it counts. Times have to come in order; they are monotonic. */
export function createRequestWindow(): RequestWindow {
  let times: number[] = [];
  /** Where those that still count begin; what is before is cut off now and then. */
  let first = 0;

  function forget(nowMs: number): void {
    while (first < times.length && (times[first] as number) + windowMs <= nowMs) first++;
    if (first > 32 && first * 2 > times.length) {
      times = times.slice(first);
      first = 0;
    }
  }

  return {
    waitMs(limit, nowMs) {
      forget(nowMs);
      // Of those that count, this one has to go before there are fewer than `limit`.
      const blocking = times[times.length - limit];
      const isFull = times.length - first >= limit && blocking !== undefined;
      return isFull ? blocking + windowMs - nowMs : 0;
    },
    add: (nowMs) => times.push(nowMs),
    remove(atMs) {
      const at = times.lastIndexOf(atMs);
      if (at >= first) times.splice(at, 1);
    },
    isEmpty(nowMs) {
      forget(nowMs);
      return first === times.length;
    },
  };
}

/** The tokens used in the last 60 seconds, kept by second: what was used within one counts until all of it is old. */
export interface TokenWindow {
  used(nowMs: number): number;
  add(tokens: number, nowMs: number): void;
  /** How long until no more than `roomMax` count, ms. */
  waitMs(roomMax: number, nowMs: number): number;
}

const secondMs = 1000;

/** At most 61 numbers. Times have to come in order; they are monotonic. */
export function createTokenWindow(): TokenWindow {
  const seconds: { readonly endMs: number; tokens: number }[] = [];
  let sum = 0;

  function forget(nowMs: number): void {
    for (let oldest = seconds[0]; oldest && oldest.endMs + windowMs <= nowMs; oldest = seconds[0]) {
      sum -= oldest.tokens;
      seconds.shift();
    }
  }

  return {
    used(nowMs) {
      forget(nowMs);
      return sum;
    },
    add(tokens, nowMs) {
      const endMs = (Math.floor(nowMs / secondMs) + 1) * secondMs;
      const last = seconds.at(-1);
      if (last?.endMs === endMs) last.tokens += tokens;
      else seconds.push({ endMs, tokens });
      sum += tokens;
    },
    waitMs(roomMax, nowMs) {
      forget(nowMs);
      let left = sum;
      for (const { endMs, tokens } of seconds) {
        if (left <= roomMax) break;
        left -= tokens;
        if (left <= roomMax) return endMs + windowMs - nowMs;
      }
      return 0;
    },
  };
}
