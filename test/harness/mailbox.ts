/** How long an awaited event may take before the test fails, unless the call says otherwise. */
export const DEADLINE_MS = 5_000;

/** Things that happen in a test, in order: all of them, and the next one that nobody has taken yet. */
export interface Mailbox<T> {
  readonly all: readonly T[];
  push(item: T): void;
  /** The oldest item not handed out before. @throws {Error} naming what did not come within the deadline */
  next(deadlineMs?: number): Promise<T>;
}

/** @param describe says what was waited for, with what is known so far; used when the deadline passes */
export function createMailbox<T>(describe: () => string): Mailbox<T> {
  const all: T[] = [];
  const waiting: ((item: T) => void)[] = [];
  let taken = 0;
  return {
    all,
    push(item) {
      all.push(item);
      const waiter = waiting.shift();
      if (waiter === undefined) return;
      taken += 1;
      waiter(item);
    },
    next(deadlineMs = DEADLINE_MS) {
      if (taken < all.length) return Promise.resolve(all[taken++] as T);
      const { promise, resolve } = Promise.withResolvers<T>();
      waiting.push(resolve);
      const giveUp = () => waiting.splice(waiting.indexOf(resolve), 1);
      return within(promise, deadlineMs, describe).catch((late) => {
        giveUp();
        throw late;
      });
    },
  };
}

/** The promise's value. @throws {Error} "No <what> within <n> ms" when it does not settle in time */
export async function within<T>(promise: Promise<T>, deadlineMs: number, what: () => string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`No ${what()} within ${deadlineMs} ms`)), deadlineMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
