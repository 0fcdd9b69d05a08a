/** What grows with each request and is cut by age. */
interface Growing {
  /** Deletes rows older than `beforeMs`, at most `limit` at once; says how many. */
  deleteBefore(beforeMs: number, limit: number): Promise<number>;
}

/** Rows deleted at once: about 2 ms, of which nobody can run anything else. */
const rowsPerStep = 100;
/** The rest of the time is for requests: some 14,000 rows a second go, which is more than come. */
const pauseMs = 5;

/**
 * Deletes the rows older than `beforeMs`, in steps that let requests through; says how many. Ends early, after a step,
 * when `signal` is aborted.
 */
export async function deleteOld(
  { deleteBefore }: Growing,
  beforeMs: number,
  signal: AbortSignal,
): Promise<number> {
  let total = 0;
  for (;;) {
    const deleted = await deleteBefore(beforeMs, rowsPerStep);
    total += deleted;
    if (deleted < rowsPerStep || signal.aborted) return total;
    await Bun.sleep(pauseMs);
  }
}
