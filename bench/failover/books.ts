import type { Attempt } from "./attempt.ts";
import type { Seen } from "./client.ts";
import type { Entry, Evidence } from "./evidence.ts";
import { attemptsFor, looksWhole } from "./judge.ts";

/** Compares the gateway's books with what programs and providers saw; the first thing that differs. */
export function faultOfBooks({ seen, attempts, entries }: Evidence): string | undefined {
  if (entries === undefined) return "keeps no books";
  const faults = seen.map((one, index) => faultOf(one, attemptsFor(one, attempts), entries[index] ?? []));
  return faults.find((fault) => fault !== undefined);
}

function faultOf(seen: Seen, attempts: readonly Attempt[], entries: readonly Entry[]): string | undefined {
  const [entry] = entries;
  if (entry === undefined || entries.length > 1) return `books: ${entries.length} entries for a call`;
  const last = attempts.at(-1);
  const ending = endingSeen(seen);
  const differ = (what: string, told: unknown, was: unknown) =>
    `books: ${what} ${told === undefined ? "is not told" : `is ${told}`}, was ${was}`;
  if (entry.status !== seen.status) return differ("status", entry.status, seen.status);
  if (entry.provider !== last?.provider) return differ("provider", entry.provider, last?.provider);
  if (entry.ending !== ending) return differ("the end of a call", entry.ending, ending);
  const sent = last?.bodyBytes ?? 0;
  // Where one of the two hung up, less than was sent may have been handed on; a gateway's own last word comes on top.
  const got = Math.min(seen.bodyBytes, sent);
  const isSaid = entry.bytes !== undefined && entry.bytes >= got && entry.bytes <= sent;
  return isSaid ? undefined : differ("size", entry.bytes, got === sent ? sent : `${got} to ${sent}`);
}

function endingSeen(seen: Seen): Entry["ending"] {
  if (seen.ending === "left") return "left";
  return looksWhole(seen) || (seen.ending === "whole" && seen.streamError === undefined) ? "whole" : "cut";
}
