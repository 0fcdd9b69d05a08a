/** The uploads that a stand-in remembers: their description, not their bytes. */
export interface Files {
  /** Keeps `file` under `id`; the oldest beyond {@link FILES_MAX} is forgotten. */
  add(id: string, file: File, purpose: string): unknown;
  list(): unknown;
}

const FILES_MAX = 100;

/** Makes an empty store; `nowS` gives seconds since the epoch. */
export function createFiles(nowS: () => number): Files {
  const kept: { readonly id: string }[] = [];
  return {
    add(id, file, purpose) {
      const entry = {
        id,
        object: "file",
        bytes: file.size,
        created_at: nowS(),
        filename: file.name,
        purpose,
        status: "processed",
      };
      kept.unshift(entry);
      kept.length = Math.min(kept.length, FILES_MAX);
      return entry;
    },
    list: () => ({
      object: "list",
      data: kept,
      first_id: kept.at(0)?.id ?? null,
      last_id: kept.at(-1)?.id ?? null,
      has_more: false,
    }),
  };
}
