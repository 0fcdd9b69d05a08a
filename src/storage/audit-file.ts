import { closeSync, mkdirSync, openSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { AuditEntry } from "../audit/entry.ts";
import type { AuditSink } from "../audit/repository.ts";
import { fail, ok, type Result } from "../result.ts";

/** The audit file cannot be written. */
export interface AuditFileFault {
  readonly code: "audit_file_unwritable";
  readonly message: string;
  readonly advice: string;
}

interface AuditFileSettings {
  readonly path: string;
  /** Makes the directory (mode 0700) where it is missing. */
  readonly createsDirectory: boolean;
}

const modeOfFile = 0o600;
const lineEnd = 0x0a;

/**
 * The audit trail as JSON lines (contract.md section 7). Each batch is appended and brought to the disk by one fsync;
 * the file is opened for each, so that it may be moved away at any time. A half line that a crash or a full disk has
 * left is closed before the next. After a failure some lines of the batch may be kept; all of them count as lost.
 */
export function createAuditFile(settings: AuditFileSettings): Result<AuditSink, AuditFileFault> {
  const { path } = settings;
  try {
    if (settings.createsDirectory) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, "a", modeOfFile));
  } catch (error) {
    return fail({
      code: "audit_file_unwritable",
      message: `The audit file ${path} cannot be written (${(error as NodeJS.ErrnoException).code})`,
      advice:
        "Point AUDIT_LOG_FILE to a file in a directory that the user that runs llm-proxy may write to, or set it to off to keep the audit trail in the database only",
    });
  }
  return ok({
    name: "file",
    async append(entries) {
      await using file = await open(path, "a+", modeOfFile);
      const start = (await endsInHalfLine(file)) ? "\n" : "";
      await file.appendFile(start + entries.map(toLine).join(""));
      await file.datasync();
    },
  });
}

async function endsInHalfLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== lineEnd;
}

/** Names as the predecessor had them; what is empty is left out. */
function toLine(entry: AuditEntry): string {
  const line = {
    timestamp: new Date(entry.atMs).toISOString(),
    action: entry.action,
    actor: entry.actor,
    project_id: entry.projectId || undefined,
    request_id: entry.requestId || undefined,
    correlation_id: entry.correlationId || undefined,
    client_ip: entry.clientIp || undefined,
    result: entry.outcome,
    details: {
      http_method: entry.method || undefined,
      endpoint: entry.path || undefined,
      user_agent: entry.userAgent || undefined,
      token_id: entry.tokenId || undefined,
      reason: entry.reason || undefined,
      ...entry.details,
    },
  };
  return `${escapeLaterControls(JSON.stringify(line))}\n`;
}

/** JSON lets these stand as they are, but a terminal obeys them (cases.md SEC-107). */
function escapeLaterControls(json: string): string {
  return json.replace(/[\x7f-\x9f]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}
