import type { KeyRing, OpenKey } from "../cache/key-cache.ts";
import type { Clock } from "../clock.ts";
import type { KeyRest } from "../project/provider-key.ts";
import type { Body } from "./call.ts";

/** Whom a key is chosen for. */
export interface Seeker {
  readonly body: Body;
  readonly tokenId: string;
  /** Ids of the keys that this request has tried already. */
  readonly tried: ReadonlySet<string>;
}

export interface KeyPool {
  /** The key for this request; one that rests only where all others rest too or were tried. */
  choose(ring: KeyRing, seeker: Seeker): OpenKey | undefined;
  /** Whether a key is left that neither rests nor was tried. */
  hasOther(ring: KeyRing, tried: ReadonlySet<string>): boolean;
  /** Leaves the key alone because of that status. A key whose text is replaced is another one and does not rest. */
  rest(key: OpenKey, ms: number, status: number): void;
  /** Whether the key of that version rests now. */
  restOf(version: string): KeyRest | undefined;
}

/** How much of a body tells one conversation from another: model and first messages stand at its beginning. */
const prefixBytes = 512;
/** Resting keys remembered; past it those that have rested enough are forgotten, then all. */
const restingMax = 10_000;

interface Rest {
  /** Monotonic. */
  readonly untilMs: number;
  readonly status: number;
}

/** The keys of a project for a provider as one pool. */
export function createKeyPool({ clock }: { readonly clock: Clock }): KeyPool {
  const rests = new Map<string, Rest>();
  const isResting = (key: OpenKey) => (rests.get(key.version)?.untilMs ?? 0) > clock.monotonic();

  return {
    choose(ring, { body, tokenId, tried }) {
      if (ring.keys.length <= 1) return ring.keys[0];
      const left = ring.keys.filter((key) => !tried.has(key.id));
      const awake = left.filter((key) => !isResting(key));
      return chooseKey(awake.length > 0 ? awake : left, body, tokenId);
    },
    hasOther: (ring, tried) => ring.keys.some((key) => !tried.has(key.id) && !isResting(key)),
    rest(key, ms, status) {
      if (rests.size >= restingMax) {
        for (const [version, { untilMs }] of rests) if (untilMs <= clock.monotonic()) rests.delete(version);
        if (rests.size >= restingMax) rests.clear();
      }
      rests.set(key.version, { untilMs: clock.monotonic() + ms, status });
    },
    restOf(version) {
      const rest = rests.get(version);
      const leftMs = (rest?.untilMs ?? 0) - clock.monotonic();
      return rest && leftMs > 0 ? { untilMs: clock.now() + leftMs, status: rest.status } : undefined;
    },
  };
}

/**
 * The same conversation prefix stays on the same key, and keys share the rest by weight (weighted rendezvous hashing:
 * a key that comes or goes moves only its own share). A body that is not held has no prefix; then the token stands for it.
 */
export function chooseKey(keys: readonly OpenKey[], body: Body, tokenId: string): OpenKey | undefined {
  if (keys.length <= 1) return keys[0];
  const prefix = body.kind === "held" ? body.bytes.subarray(0, prefixBytes) : tokenId;
  const seed = Bun.hash.wyhash(prefix);
  let best: OpenKey | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const key of keys) {
    const share = (Number(Bun.hash.wyhash(key.id, seed) >> 11n) + 0.5) / 2 ** 53;
    const score = -key.weight / Math.log(share);
    if (score > bestScore) [best, bestScore] = [key, score];
  }
  return best;
}
