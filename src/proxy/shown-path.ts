import { redact } from "../logging/redact.ts";

const pathCharsMax = 500;

/** A path for the books and the log: a token that stands in it by mistake must not get there. */
export function shownPath(path: string): string {
  return redact(path.slice(0, pathCharsMax));
}
