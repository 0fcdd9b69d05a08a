/** What can be audited. Names are a public contract (contract.md section 7). */
export type AuditAction =
  | "project.list"
  | "project.read"
  | "project.create"
  | "project.update"
  | "project.delete"
  | "project.key_list"
  | "project.key_add"
  | "project.key_remove"
  | "token.list"
  | "token.read"
  | "token.create"
  | "token.update"
  | "token.revoke"
  | "token.revoke_batch"
  | "token.validate"
  | "proxy_request"
  | "audit.list"
  | "audit.show"
  | "cache.purge"
  | "keys.rotate"
  | "management.auth";

export type AuditOutcome = "success" | "failure" | "denied" | "error";

export type AuditActor = "management_api" | "system" | "admin" | "anonymous";

/** Who asks, and by which request; the same for every step of one request. Empty texts are left out of the line. */
export interface Caller {
  readonly actor: AuditActor;
  readonly requestId: string;
  readonly correlationId: string;
  readonly clientIp: string;
  /** The other end of the connection, where that is a proxy; for the log. */
  readonly peerIp?: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly userAgent: string;
  /** What its lines say besides: the page that a front end was called from. */
  readonly details?: AuditDetails;
}

export type AuditDetails = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** One line of the audit trail. Never holds a secret: details are made by the services, from names and numbers. */
export interface AuditEntry extends Caller {
  readonly id: string;
  /** Wall clock, ms since the epoch. */
  readonly atMs: number;
  readonly action: AuditAction;
  readonly outcome: AuditOutcome;
  readonly projectId: string;
  readonly tokenId: string;
  /** Why, where the outcome is not success: a stable code. */
  readonly reason: string;
  readonly details: AuditDetails;
}
