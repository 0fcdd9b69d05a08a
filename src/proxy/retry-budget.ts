/** Keeps retries a small part of the traffic, so that they cannot finish off a provider that is in trouble. */
export interface RetryBudget {
  /** A request is on its way there. */
  deposit(origin: string): void;
  /** Whether one more retry may go there; takes it. */
  withdraw(origin: string): boolean;
}

/** One retry for ten requests, and ten in a row where there was no need of any before. */
const earnedPerRequest = 0.1;
const savedMax = 10;

/** One budget for each upstream host; hosts come from the provider file, so that their number is bounded. */
export function createRetryBudget(): RetryBudget {
  const saved = new Map<string, number>();
  const of = (origin: string) => saved.get(origin) ?? savedMax;
  return {
    deposit: (origin) => {
      saved.set(origin, Math.min(savedMax, of(origin) + earnedPerRequest));
    },
    withdraw(origin) {
      if (of(origin) < 1) return false;
      saved.set(origin, of(origin) - 1);
      return true;
    },
  };
}
