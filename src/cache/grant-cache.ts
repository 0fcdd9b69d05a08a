import type { Clock } from "../clock.ts";
import type { Project } from "../project/project.ts";
import type { ProjectRepository } from "../project/repository.ts";
import type { TokenRepository } from "../token/repository.ts";
import type { Token } from "../token/token.ts";
import { createReadThrough } from "./read-through.ts";

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

/** Remembers usable tokens by their full digest. */
export function createGrantCache(deps: GrantCacheDeps): GrantCache {
  const grants = createReadThrough<Grant>(deps);

  async function read(hash: string): Promise<Grant | undefined> {
    const token = await deps.tokens.findByHash(hash);
    const project = token && (await deps.projects.find(token.projectId));
    return token && project && { token, project };
  }

  return {
    find: (hash) => grants.find(hash, () => read(hash)),
    forgetToken: (tokenId) => grants.forgetWhere(({ token }) => token.id === tokenId),
    forgetProject: (projectId) => grants.forgetWhere(({ project }) => project.id === projectId),
    forgetAll: () => grants.forgetWhere(() => true),
  };
}
