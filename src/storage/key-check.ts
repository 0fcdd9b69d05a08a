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

/** Replaces the key check; for use in the transaction that seals everything anew. */
export function keyCheckStatement(sealed: string): Statement {
  return {
    sql: `INSERT INTO meta (key, value) VALUES ('key_check', ?)
          ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    values: [sealed],
  };
}
