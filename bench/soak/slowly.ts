const tickMs = 50;

/** Calls `act` every 50 ms, for that long. */
export async function slowly(durationMs: number, act: (elapsedMs: number) => void): Promise<void> {
  const startMs = performance.now();
  for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs = performance.now() - startMs) {
    act(elapsedMs);
    await Bun.sleep(tickMs);
  }
}
