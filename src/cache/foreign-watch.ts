import type { Clock } from "../clock.ts";

/** How often another process' writes are looked for: far within the second in which a revocation must hold. */
const lookEveryMs = 100;

/**
 * Notices that another process (a CLI with `--offline`, say) has changed the database, and has what is remembered
 * forgotten. The look costs a pragma, and most calls only a comparison.
 */
export function createForeignWatch(deps: {
  readonly version: () => number;
  readonly clock: Clock;
  readonly onChange: () => void;
}): () => void {
  let seen = deps.version();
  let nextLookMs = 0;
  return () => {
    const nowMs = deps.clock.monotonic();
    if (nowMs < nextLookMs) return;
    nextLookMs = nowMs + lookEveryMs;
    const version = deps.version();
    if (version === seen) return;
    seen = version;
    deps.onChange();
  };
}
