import type { Clock } from "../clock.ts";
import type { KeySealer } from "../project/provider-key.ts";
import type { ProjectRepository } from "../project/repository.ts";
import type { Secret } from "../secret.ts";
import { createReadThrough } from "./read-through.ts";

/** A provider key that can be used now. */
export interface OpenKey {
  readonly id: string;
  readonly weight: number;
  readonly text: Secret;
  /** Another one for another text, so that what is known of a key ends with it. */
  readonly version: string;
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

/** Remembers opened provider keys, so that not every request has to open them. */
export function createKeyCache(deps: KeyCacheDeps): KeyCache {
  const rings = createReadThrough<KeyRing>(deps);

  async function read(projectId: string, provider: string): Promise<KeyRing> {
    const sealed = await deps.projects.keys(projectId, provider);
    const keys: OpenKey[] = [];
    for (const { id, weight, sealed: text } of sealed) {
      const opened = deps.sealer.open(projectId, id, text);
      if (opened.ok) keys.push({ id, weight, text: opened.value, version: text });
    }
    return { projectId, keys, unreadable: sealed.length - keys.length };
  }

  return {
    find: (projectId, provider) => rings.find(`${projectId}/${provider}`, () => read(projectId, provider)),
    forgetProject: (projectId) => rings.forgetWhere((ring) => ring.projectId === projectId),
    forgetAll: () => rings.forgetWhere(() => true),
  };
}
