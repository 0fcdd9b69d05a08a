import { expect, test } from "bun:test";
import { openStore } from "../../test/harness/store.ts";
import { createAuditRepository } from "./audit-repository.ts";
import type { Database, Statement } from "./database.ts";
import { createProjectRepository } from "./project-repository.ts";
import { createTokenRepository } from "./token-repository.ts";
import { createUsageRepository } from "./usage-repository.ts";

/** Runs nothing, but tells how each statement would be run. */
function plansOf(database: Database, plans: Promise<string[]>[]): Database {
  const explain = ({ sql, values }: Statement) =>
    database
      .all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, values)
      .then((rows) => rows.map(({ detail }) => detail));
  return {
    ...database,
    all: (sql, values = []) => {
      plans.push(explain({ sql, values }));
      return Promise.resolve([]);
    },
    first: (sql, values = []) => {
      plans.push(explain({ sql, values }));
      return Promise.resolve(undefined);
    },
    write: (statements) => {
      plans.push(...statements.map(explain));
      return Promise.resolve([]);
    },
  };
}

const page = { offset: 20, limit: 20 };

const questions: [string, (database: Database) => Promise<unknown>][] = [
  ["the keys of a project", (database) => createProjectRepository(database).keys("p")],
  ["a token by hash", (database) => createTokenRepository(database).findByHash("h")],
  ["tokens that expire", (database) => createTokenRepository(database).deactivateExpired(1)],
  ["all tokens of a project revoked", (database) => createTokenRepository(database).revokeAll("p", 1)],
  ["tokens of a project", (database) => createTokenRepository(database).list({ projectId: "p" }, page)],
  ["usage of a project", (database) => createUsageRepository(database).list({ projectId: "p" }, page)],
  [
    "usage of a token in a time",
    (database) => createUsageRepository(database).list({ tokenId: "t", startMs: 1, endMs: 2 }, page),
  ],
  ["usage of a request", (database) => createUsageRepository(database).find("r")],
  ["old usage", (database) => createUsageRepository(database).deleteBefore(1, 10)],
  ["old audit entries", (database) => createAuditRepository(database).deleteBefore(1, 10)],
  ["an audit entry", (database) => createAuditRepository(database).find("a")],
  ["audit of a project", (database) => createAuditRepository(database).list({ projectId: "p" }, page)],
  ["audit of a token", (database) => createAuditRepository(database).list({ tokenId: "t" }, page)],
  ["audit of a request", (database) => createAuditRepository(database).list({ requestId: "r" }, page)],
];

test.each(questions)("%s: found by an index, without going through the table", async (_, ask) => {
  const { database } = await openStore();
  const plans: Promise<string[]>[] = [];
  await ask(plansOf(database, plans));
  const steps = (await Promise.all(plans)).flat();
  expect(steps).not.toBeEmpty();
  expect(steps.filter((step) => step.startsWith("SCAN"))).toEqual([]);
});

const lists: [string, (database: Database) => Promise<unknown>][] = [
  ["projects", (database) => createProjectRepository(database).list({}, page)],
  ["tokens", (database) => createTokenRepository(database).list({}, page)],
  ["tokens of a project", (database) => createTokenRepository(database).list({ projectId: "p" }, page)],
  ["usage", (database) => createUsageRepository(database).list({}, page)],
  ["usage of a project", (database) => createUsageRepository(database).list({ projectId: "p" }, page)],
  ["audit", (database) => createAuditRepository(database).list({}, page)],
  [
    "audit of an action",
    (database) => createAuditRepository(database).list({ action: "token.create" }, page),
  ],
];

test.each(lists)("a page of the list of %s comes in order without sorting the whole list", async (_, ask) => {
  const { database } = await openStore();
  const plans: Promise<string[]>[] = [];
  await ask(plansOf(database, plans));
  expect((await Promise.all(plans)).flat().filter((step) => step.includes("TEMP B-TREE"))).toEqual([]);
});
