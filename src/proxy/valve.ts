/** Stops a source while what it has sent waits at the other side. */
export interface Valve {
  /** To be called after each message that was handed on. */
  check(): void;
  /** Lets the source go on for good. */
  release(): void;
}

interface ValveDeps {
  readonly source: { pause(): void; resume(): void };
  /** Bytes that wait. */
  readonly waiting: () => number;
  /** How long nothing at all may be taken before `onStalled`. */
  readonly stalledMsMax: number;
  readonly onStalled: () => void;
}

const waitingBytesMax = 1024 * 1024;
/** A socket to a provider does not tell when it has been drained. */
const lookEveryMs = 20;

/** Back-pressure between two sockets: what waits is at most 1 MiB and one message. */
export function createValve({ source, waiting, stalledMsMax, onStalled }: ValveDeps): Valve {
  let timer: Timer | undefined;
  let least = 0;
  let stalledMs = 0;

  function release(): void {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    source.resume();
  }

  function look(): void {
    const bytes = waiting();
    if (bytes <= waitingBytesMax / 2) {
      release();
      return;
    }
    stalledMs = bytes < least ? 0 : stalledMs + lookEveryMs;
    least = Math.min(least, bytes);
    if (stalledMs < stalledMsMax) return;
    release();
    onStalled();
  }

  return {
    check() {
      if (timer !== undefined) {
        least = Math.max(least, waiting()); // what was read before the pause comes on top
        return;
      }
      if (waiting() <= waitingBytesMax) return;
      source.pause();
      least = waiting();
      stalledMs = 0;
      timer = setInterval(look, lookEveryMs);
    },
    release,
  };
}
