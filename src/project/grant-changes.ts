/**
 * Told after every change that can alter what a token may do, before the change is confirmed to who asked for
 * it: what is remembered about it must be forgotten by then (product.md: a change holds for the next request).
 */
export interface GrantChanges {
  tokenChanged(tokenId: string): void;
  /** The project itself, its keys, or all of its tokens. */
  projectChanged(projectId: string): void;
}
