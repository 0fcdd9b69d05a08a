import type { Database } from "../../src/storage/database.ts";
import { createLedgerRepository } from "../../src/storage/ledger-repository.ts";
import type { Node } from "../../src/storage/nodes.ts";
import type { UsageRecord } from "../../src/usage/record.ts";

/** A process of this machine that lives. */
const aNode: Node = { id: "node", host: "here", pid: 1, isAlive: () => true };

/** Books records of requests that were not admitted before. */
export async function book(database: Database, records: readonly UsageRecord[]): Promise<void> {
  const settlements = records.map((record) => ({ record, entryId: null, isRefunded: false }));
  await createLedgerRepository(database, aNode).settle(settlements);
}
