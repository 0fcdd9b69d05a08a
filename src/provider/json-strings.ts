const quote = 0x22;
const backslash = 0x5c;

/** Walks over strings of JSON bytes that come in pieces cut anywhere. */
export interface StringWalk {
  /** Index after the closing quote of the string that `from` lies in; -1 where this piece does not have it. */
  end(bytes: Uint8Array, from: number): number;
}

/** Looks for quotes and backslashes with the runtime's own search, so that a string of megabytes costs next to nothing. */
export function createStringWalk(): StringWalk {
  /** The last piece ended between a backslash and what it escapes. */
  let isEscaped = false;

  return {
    end(bytes, from) {
      let at = isEscaped ? from + 1 : from;
      isEscaped = false;
      let mark = bytes.indexOf(backslash, at);
      for (;;) {
        const end = bytes.indexOf(quote, at);
        while (mark >= 0 && mark < at) mark = bytes.indexOf(backslash, at);
        if (mark < 0 || (end >= 0 && end < mark)) return end + (end < 0 ? 0 : 1);
        at = mark + 2;
        if (at > bytes.length) {
          isEscaped = true;
          return -1;
        }
      }
    },
  };
}
