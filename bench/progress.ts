/** Shows how far a long run is. */
export interface Progress {
  /** One part is done. */
  step(what: string): void;
  /** Clears the bar. */
  end(): void;
}

const BAR_CHARACTERS = 30;

/** A bar that is drawn over itself on a terminal, one line for each part elsewhere. @param parts in all */
export function createProgress(out: NodeJS.WriteStream, parts: number): Progress {
  let done = 0;
  return {
    step(what) {
      done += 1;
      const percent = `${Math.floor((done * 100) / parts)} %`.padStart(5);
      if (!out.isTTY) {
        out.write(`${percent} ${what}\n`);
        return;
      }
      const filled = Math.floor((done * BAR_CHARACTERS) / parts);
      out.write(`\r\x1b[K[${"#".repeat(filled).padEnd(BAR_CHARACTERS, ".")}]${percent} ${what}`);
    },
    end() {
      if (out.isTTY) out.write("\r\x1b[K");
    },
  };
}
