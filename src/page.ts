/** A slice of a list. */
export interface Page {
  /** Rows to pass over, >= 0. */
  readonly offset: number;
  /** Rows to give at the most, >= 1. */
  readonly limit: number;
}

/** A slice and how many rows the whole list has. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly total: number;
}
