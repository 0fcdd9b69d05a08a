import type { KeyRing, OpenKey } from "../cache/key-cache.ts";
import type { Body } from "./call.ts";

/** How much of a body tells one conversation from another: model and first messages stand at its beginning. */
const prefixBytes = 512;

/**
 * Which key of the ring serves the request: the same conversation prefix stays on the same key, and keys share the
 * rest by weight (weighted rendezvous hashing: a key that comes or goes moves only its own share). A body that is
 * not held has no prefix; then the token stands for it.
 */
export function chooseKey(ring: KeyRing, body: Body, tokenId: string): OpenKey | undefined {
  if (ring.keys.length <= 1) return ring.keys[0];
  const prefix = body.kind === "held" ? body.bytes.subarray(0, prefixBytes) : tokenId;
  const seed = Bun.hash.wyhash(prefix);
  let best: OpenKey | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const key of ring.keys) {
    const share = (Number(Bun.hash.wyhash(key.id, seed) >> 11n) + 0.5) / 2 ** 53;
    const score = -key.weight / Math.log(share);
    if (score > bestScore) [best, bestScore] = [key, score];
  }
  return best;
}
