import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { anEntry } from "../../test/harness/rows.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import type { AuditSink } from "../audit/repository.ts";
import { createAuditFile } from "./audit-file.ts";

let directory: TemporaryDirectory;
let path: string;

beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "new", "audit.log");
});
afterEach(() => directory[Symbol.dispose]());

function open(): AuditSink {
  const opened = createAuditFile({ path, createsDirectory: true });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

function lines(): unknown[] {
  const text = readFileSync(path, "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("a line has the names of the contract, and what is empty is left out (contract 7)", async () => {
  await open().append([
    anEntry("1", {
      atMs: Date.UTC(2030, 0, 2, 3, 4, 5, 6),
      action: "token.update",
      outcome: "denied",
      actor: "anonymous",
      projectId: "project",
      tokenId: "token",
      requestId: "request",
      correlationId: "correlation",
      clientIp: "10.0.0.1",
      method: "PATCH",
      path: "/manage/tokens/token",
      userAgent: "agent",
      reason: "token_expired",
      details: { updated_max_requests: "unlimited" },
    }),
    anEntry("2"),
  ]);
  expect(lines()).toEqual([
    {
      timestamp: "2030-01-02T03:04:05.006Z",
      action: "token.update",
      actor: "anonymous",
      project_id: "project",
      request_id: "request",
      correlation_id: "correlation",
      client_ip: "10.0.0.1",
      result: "denied",
      details: {
        http_method: "PATCH",
        endpoint: "/manage/tokens/token",
        user_agent: "agent",
        token_id: "token",
        reason: "token_expired",
        updated_max_requests: "unlimited",
      },
    },
    {
      timestamp: "1970-01-01T00:00:00.001Z",
      action: "token.create",
      actor: "management_api",
      result: "success",
      details: {},
    },
  ]);
});

test("batches are appended in order, to a file that is for the owner alone", async () => {
  writeFileSync(join(directory.path, "audit.log"), "");
  const sink = open();
  for (const id of ["1", "2", "3"])
    await sink.append([anEntry(id, { requestId: id }), anEntry(id, { requestId: `${id}b` })]);
  expect(lines().map((line) => (line as { request_id: string }).request_id)).toEqual([
    "1",
    "1b",
    "2",
    "2b",
    "3",
    "3b",
  ]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
});

test("whatever a caller sends, one entry is one line without control characters (SEC-107)", async () => {
  const evil = `a\r\n{"forged":true}\u001b[2J\u007f\u009b31m\u0000`;
  await open().append([anEntry("1", { userAgent: evil, requestId: evil })]);
  const text = readFileSync(path, "utf8");
  expect(text.match(/\p{Cc}/gu)).toEqual(["\n"]);
  expect(lines()).toMatchObject([{ request_id: evil, details: { user_agent: evil } }]);
});

test("a half line that a crash has left is closed before the next", async () => {
  const sink = open();
  appendFileSync(path, '{"timestamp":"2030');
  await sink.append([anEntry("1")]);
  await sink.append([anEntry("2")]);
  const [half, ...whole] = readFileSync(path, "utf8").trimEnd().split("\n");
  expect(half).toBe('{"timestamp":"2030');
  expect(whole.map((line) => JSON.parse(line).action)).toEqual(["token.create", "token.create"]);
});

test("the file may be moved away at any time", async () => {
  const sink = open();
  await sink.append([anEntry("1")]);
  renameSync(path, `${path}.1`);
  await sink.append([anEntry("2")]);
  expect(lines()).toHaveLength(1);
});

test("a batch that cannot be written is rejected", async () => {
  const sink = open();
  renameSync(join(path, ".."), join(directory.path, "moved"));
  await expect(sink.append([anEntry("1")])).rejects.toThrow("ENOENT");
});

test("a directory is made only when asked for; else the start is refused with what to do", () => {
  const opened = createAuditFile({ path, createsDirectory: false });
  if (opened.ok) throw new Error("it was opened");
  expect(opened.error.code).toBe("audit_file_unwritable");
  expect(opened.error.message).toContain(path);
  expect(opened.error.advice).toContain("AUDIT_LOG_FILE");
  expect(opened.error.advice).toContain("set it to off");
  expect(existsSync(join(path, ".."))).toBe(false);
});
