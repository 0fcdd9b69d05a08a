import type { Resealing } from "../project/repository.ts";
import type { Database, Statement } from "./database.ts";

/** Where the key check is kept: a known text, sealed under the encryption key that the data belongs to. */
export interface KeyCheckStore {
  read(): Promise<string | undefined>;
  /** Keeps it unless there is one; gives the one that is kept. */
  writeFirst(sealed: string): Promise<string>;
}

/** The key check in the database's `meta` table. */
export function createKeyCheckStore(database: Database): KeyCheckStore {
  async function read(): Promise<string | undefined> {
    const row = await database.first<{ value: string }>("SELECT value FROM meta WHERE key = 'key_check'");
    return row?.value;
  }
  return {
    read,
    async writeFirst(sealed) {
      await database.write([
        {
          sql: "INSERT INTO meta (key, value) VALUES ('key_check', ?) ON CONFLICT (key) DO NOTHING",
          values: [sealed],
        },
      ]);
      return (await read()) ?? sealed;
    },
  };
}

/** Replaces the key check where it is `before` and there are so many keys; for the transaction that seals all anew. */
export function replaceKeyCheck({ before, after }: Resealing["keyCheck"], keys: number): Statement {
  return {
    sql: `UPDATE meta SET value = ? WHERE key = 'key_check' AND value = ?
            AND (SELECT COUNT(*) FROM provider_keys) = ?`,
    values: [after, before, keys],
    expectChanges: 1,
  };
}
