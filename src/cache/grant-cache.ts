import type { Clock } from "../clock.ts";
import type { Project } from "../project/project.ts";
import type { ProjectRepository } from "../project/repository.ts";
import type { TokenRepository } from "../token/repository.ts";
import type { Token } from "../token/token.ts";
import { createExpiringMap } from "./expiring-map.ts";

/** A token and the project it belongs to, as they stand. Whether they may be used is not decided here. */
export interface Grant {
  readonly token: Token;
  readonly project: Project;
}

export interface GrantCache {
  /** By the SHA-256 of the token; undefined where there is no such token. A remembered one is given at once. */
  find(hash: string): Grant | undefined | Promise<Grant | undefined>;
  forgetToken(tokenId: string): void;
  forgetProject(projectId: string): void;
  forgetAll(): void;
}

interface GrantCacheDeps {
  readonly tokens: Pick<TokenRepository, "findByHash">;
  readonly projects: Pick<ProjectRepository, "find">;
  readonly clock: Clock;
  /** 0: nothing is remembered. */
  readonly entriesMax: number;
  readonly ttlMs: number;
}

/**
 * Remembers usable tokens by their full digest. What is forgotten while a look-up is under way is not put back by
 * it: the look-up may have read the row from before the change.
 */
export function createGrantCache(deps: GrantCacheDeps): GrantCache {
  const grants = createExpiringMap<Grant>(deps);
  let generation = 0;

  async function read(hash: string): Promise<Grant | undefined> {
    const readIn = generation;
    const token = await deps.tokens.findByHash(hash);
    const project = token && (await deps.projects.find(token.projectId));
    if (token === undefined || project === undefined) return undefined;
    const grant = { token, project };
    if (readIn === generation) grants.set(hash, grant);
    return grant;
  }

  const forgetWhere = (isMeant: (grant: Grant) => boolean) => {
    generation++;
    grants.deleteWhere(isMeant);
  };
  return {
    find: (hash) => grants.get(hash) ?? read(hash),
    forgetToken: (tokenId) => forgetWhere(({ token }) => token.id === tokenId),
    forgetProject: (projectId) => forgetWhere(({ project }) => project.id === projectId),
    forgetAll: () => forgetWhere(() => true),
  };
}
