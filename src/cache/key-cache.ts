import type { Clock } from "../clock.ts";
import type { KeySealer } from "../project/provider-key.ts";
import type { ProjectRepository } from "../project/repository.ts";
import type { Secret } from "../secret.ts";
import { createExpiringMap } from "./expiring-map.ts";

/** A provider key that can be used now. */
export interface OpenKey {
  readonly id: string;
  readonly weight: number;
  readonly text: Secret;
}

/** The keys of one project for one provider; those that could not be opened are counted only. */
export interface KeyRing {
  readonly projectId: string;
  readonly keys: readonly OpenKey[];
  readonly unreadable: number;
}

export interface KeyCache {
  find(projectId: string, provider: string): KeyRing | Promise<KeyRing>;
  forgetProject(projectId: string): void;
  forgetAll(): void;
}

interface KeyCacheDeps {
  readonly projects: Pick<ProjectRepository, "keys">;
  readonly sealer: KeySealer;
  readonly clock: Clock;
  /** 0: nothing is remembered. */
  readonly entriesMax: number;
  readonly ttlMs: number;
}

/** Remembers opened provider keys, so that not every request has to open them. Same rule as in grant-cache.ts. */
export function createKeyCache(deps: KeyCacheDeps): KeyCache {
  const rings = createExpiringMap<KeyRing>(deps);
  let generation = 0;

  async function read(name: string, projectId: string, provider: string): Promise<KeyRing> {
    const readIn = generation;
    const sealed = await deps.projects.keys(projectId, provider);
    const keys: OpenKey[] = [];
    for (const { id, weight, sealed: text } of sealed) {
      const opened = deps.sealer.open(projectId, id, text);
      if (opened.ok) keys.push({ id, weight, text: opened.value });
    }
    const ring = { projectId, keys, unreadable: sealed.length - keys.length };
    if (readIn === generation) rings.set(name, ring);
    return ring;
  }

  const forgetWhere = (isMeant: (ring: KeyRing) => boolean) => {
    generation++;
    rings.deleteWhere(isMeant);
  };
  return {
    find(projectId, provider) {
      const name = `${projectId}/${provider}`;
      return rings.get(name) ?? read(name, projectId, provider);
    },
    forgetProject: (projectId) => forgetWhere((ring) => ring.projectId === projectId),
    forgetAll: () => forgetWhere(() => true),
  };
}
