import { closeSync, write as writeDescriptor } from "node:fs";

/** Writes lines without ever blocking or waiting: what does not fit in the buffer is dropped and counted. */
export interface LineWriter {
  /** @param line with its line end */
  write(line: string): void;
  /** Resolves when all that was written so far is out or lost, or after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
  /** Opens the destination anew before the next write, for log rotation. */
  reopen(): void;
  /** Lines lost since the start. */
  dropped(): number;
}

interface LineWriterDeps {
  /** Gives a file descriptor; called again on `reopen`. What it throws then is passed to `onReopenFailure`. */
  readonly open: () => number;
  /** Characters that may wait while a write is under way; as many again may be in that write. */
  readonly waitingMax: number;
  /** Writing works (again) after lines were lost. */
  readonly onLost: (lines: number) => void;
  readonly onReopenFailure: (error: unknown) => void;
}

/** How soon a full non-blocking pipe is tried again. */
const retryMs = 20;
/** A write costs as much as ten lines: at thousands of requests a second they are worth waiting for. */
const collectMs = 10;

/**
 * One write at a time, on the runtime's thread pool, so that a reader that stalls holds a thread but never the event
 * loop (cases.md OPS-106). Lines of a few milliseconds share a write.
 */
export function createLineWriter({ open, waitingMax, onLost, onReopenFailure }: LineWriterDeps): LineWriter {
  let descriptor = open();
  let waiting: string[] = [];
  let waitingLength = 0;
  let lost = 0;
  let told = 0;
  let isTelling = false;
  let isTorn = false;
  let mustReopen = false;
  let pumping: Promise<void> | undefined;

  async function pump(): Promise<void> {
    await Bun.sleep(collectMs);
    while (waiting.length > 0 || mustReopen) {
      if (mustReopen) swap();
      const lines = waiting;
      waiting = [];
      waitingLength = 0;
      if (lines.length > 0) await writeLines(lines);
    }
    pumping = undefined;
  }

  /** The line that tells of lost ones is let in though the buffer may be full of what came before. */
  function tell(lines: number): void {
    isTelling = true;
    onLost(lines);
    isTelling = false;
    told = lost;
  }

  async function writeLines(lines: readonly string[]): Promise<void> {
    let rest: Uint8Array = Buffer.from((isTorn ? "\n" : "") + lines.join(""));
    const length = rest.length;
    try {
      while (rest.length > 0) rest = rest.subarray(await writeSome(descriptor, rest));
      isTorn = false;
      if (lost > told) {
        tell(lost - told);
      }
    } catch {
      // the disk is full or the reader has gone: where else could that be told than in the count
      lost += lines.length;
      isTorn ||= rest.length < length;
    }
  }

  function swap(): void {
    mustReopen = false;
    try {
      const next = open();
      if (next !== descriptor) closeSync(descriptor); // a stream stays the same, and open
      descriptor = next;
      isTorn = false;
    } catch (error) {
      onReopenFailure(error);
    }
  }

  function start(): void {
    pumping ??= pump();
  }

  return {
    write(line) {
      if (!isTelling && waitingLength + line.length > waitingMax) {
        lost += 1;
        return;
      }
      waiting.push(line);
      waitingLength += line.length;
      start();
    },
    async flush(timeoutMs) {
      if (pumping === undefined) return;
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, timeoutMs);
      await Promise.race([pumping, late.promise]);
      clearTimeout(timer);
    },
    reopen() {
      mustReopen = true;
      start();
    },
    dropped: () => lost,
  };
}

/** Bytes written; 0 where a non-blocking descriptor is full, after a pause. */
function writeSome(descriptor: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    writeDescriptor(descriptor, bytes, (error, written) => {
      if (error === null) resolve(written);
      else if (error.code === "EAGAIN") setTimeout(resolve, retryMs, 0);
      else reject(error);
    });
  });
}
