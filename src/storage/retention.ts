import type { UsageRepository } from "../usage/repository.ts";

/** Rows deleted at once: some milliseconds, so that requests are not held up. */
const rowsPerStep = 500;

/** Deletes the usage records older than `beforeMs`, in steps that let others through; says how many. */
export async function deleteUsageBefore(
  repository: Pick<UsageRepository, "deleteBefore">,
  beforeMs: number,
): Promise<number> {
  let total = 0;
  for (;;) {
    const deleted = await repository.deleteBefore(beforeMs, rowsPerStep);
    total += deleted;
    if (deleted < rowsPerStep) return total;
    await new Promise(setImmediate);
  }
}
