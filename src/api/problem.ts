import { type LimitFault, maxRequestsMax } from "../limit/wanted.ts";
import type { ProjectReason } from "../project/reason.ts";
import { durationMinutesMax, type TokenReason } from "../token/service.ts";

interface Wording {
  readonly status: number;
  /** The sentence where nothing more exact is known; scripts match on some of them (contract 1.3). */
  readonly error: string;
  /** What to do. */
  readonly description: string;
}

/** Every error of the management API. A code once published never changes; docs/errors.md is made from here. */
export const problems = {
  unauthorized: {
    status: 401,
    error: "missing or invalid Authorization header",
    description: "Send Authorization: Bearer with the management token",
  },
  too_many_attempts: {
    status: 429,
    error: "too many failed attempts",
    description: "Wait as long as Retry-After says; the right token is accepted meanwhile",
  },
  invalid_request_body: {
    status: 400,
    error: "invalid request body",
    description: "Send one JSON object with the fields that the API reference lists",
  },
  validation_failed: {
    status: 400,
    error: "validation failed",
    description: "Correct the field that is named",
  },
  project_not_found: {
    status: 404,
    error: "project not found",
    description: "List the projects with GET /manage/projects",
  },
  project_inactive: {
    status: 403,
    error: "cannot create tokens for inactive projects",
    description: "Activate the project first: PATCH with is_active true",
  },
  project_exists: {
    status: 409,
    error: "a project with this name exists",
    description: "Choose another name",
  },
  key_not_found: {
    status: 404,
    error: "provider key not found",
    description: "List the keys with GET /manage/projects/{id}/keys",
  },
  key_exists: {
    status: 409,
    error: "a key with this name exists",
    description: "Choose another name, or leave it out",
  },
  token_not_found: {
    status: 404,
    error: "token not found",
    description: "Use the id of the token, not its text; list them with GET /manage/tokens",
  },
  token_expired: {
    status: 409,
    error: "the token has expired",
    description: "Create a new token; an expired one stays expired",
  },
  audit_event_not_found: {
    status: 404,
    error: "audit event not found",
    description: "List the events with GET /manage/audit",
  },
  audit_unavailable: {
    status: 503,
    error: "audit events are not kept in the database",
    description: "Set AUDIT_ENABLED and AUDIT_STORE_IN_DB to true",
  },
  request_not_found: {
    status: 404,
    error: "request not found",
    description: "List the requests with GET /manage/requests",
  },
  caching_disabled: {
    status: 400,
    error: "caching is disabled",
    description: "Nothing to do: this version keeps no answers",
  },
  invalid_url: {
    status: 400,
    error: "invalid URL",
    description: "Give a path such as /v1/models, with its query if it has one",
  },
  not_found: { status: 404, error: "not found", description: "See /docs for the routes there are" },
  method_not_allowed: {
    status: 405,
    error: "method not allowed",
    description: "See the Allow header for the methods there are",
  },
  request_timeout: {
    status: 408,
    error: "the request body did not come",
    description: "Send it without a pause of more than CLIENT_BODY_TIMEOUT",
  },
  request_too_large: {
    status: 413,
    error: "the request body is too large",
    description: "Send less; MAX_REQUEST_SIZE is the limit",
  },
  bad_request: {
    status: 400,
    error: "the Host header or the request target is not valid",
    description: "Send exactly one Host header, with a host name or address",
  },
  storage_unavailable: {
    status: 503,
    error: "the database cannot be used right now",
    description: "Try again in a moment; the log says what is wrong",
  },
  internal_error: {
    status: 500,
    error: "something went wrong in the server",
    description: "Look for the request id in the log",
  },
} as const satisfies Record<string, Wording>;

export type ProblemCode = keyof typeof problems;

/** An error answer: a code, and where it is known what exactly is wrong. Texts here never hold a value that may be secret. */
export interface Problem {
  readonly code: ProblemCode;
  readonly error?: string;
  readonly description?: string;
  /** Which one is at fault, for the audit trail; not sent. */
  readonly field?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Only the refusal to delete a project has one (contract 1.4). */
  readonly message?: string;
}

/** Words a problem as `{"error", "code", "description"}`. */
export function problemResponse(problem: Problem): Response {
  const { code, message, headers = {} } = problem;
  const { status, error, description } = problems[code];
  return Response.json(
    {
      error: problem.error ?? error,
      ...(message !== undefined && { message }),
      code,
      description: problem.description ?? description,
    },
    { status, headers },
  );
}

/** Words why a project or a key could not be made or changed. */
export function projectProblem(reason: ProjectReason): Problem {
  const invalid = (error: string, description?: string): Problem => ({
    code: "validation_failed",
    error,
    ...(description !== undefined && { description }),
  });
  switch (reason.code) {
    case "project_not_found":
    case "key_not_found":
      return { code: reason.code };
    case "project_exists":
      return { code: reason.code, error: `a project named ${JSON.stringify(reason.name)} exists` };
    case "key_exists":
      return { code: reason.code, error: `a key named ${JSON.stringify(reason.name)} exists` };
    case "name_required":
      return invalid("name must not be empty", "Give a name of 1 to 255 characters");
    case "name_too_long":
      return invalid("name is longer than 255 characters", "Give a name of 1 to 255 characters");
    case "name_malformed":
      return invalid(
        "name holds a control character",
        "Leave out line ends, tabs, halves of surrogate pairs and the like",
      );
    case "key_required":
      return invalid("api_key is required", "Give the key of the provider");
    case "key_obfuscated":
      return invalid(
        "cannot save obfuscated API key - please provide the full API key",
        "Give the key as the provider shows it, or leave api_key out to keep the one there is",
      );
    case "key_malformed":
      return invalid(
        "api_key is not the text of a provider key",
        "Give it as the provider shows it: visible ASCII characters without blanks, at most 4096",
      );
    case "key_name_invalid":
      return invalid(
        "name is not valid for a key",
        "Use 1 to 100 letters, digits, blanks, dots, dashes and underscores, beginning with a letter or digit",
      );
    case "key_weight_out_of_range":
      return invalid("weight must be a whole number from 1 to 1000");
    case "provider_unknown":
      return invalid(
        `provider ${JSON.stringify(reason.provider)} is not configured`,
        `Configured are: ${reason.known.join(", ")}`,
      );
    case "no_fields_to_update":
      return invalid("no fields to update", "Give at least one field to change");
    case "revoke_needs_inactive":
      return invalid("revoke_tokens requires is_active=false", "Send both in one request");
    case "expiry_in_the_past":
      return invalid("expires_at has passed already", "Give a time to come, or null for never");
    case "limit_invalid":
      return limitProblem(reason);
  }
}

/** Words why a token could not be made or changed. */
export function tokenProblem(reason: TokenReason): Problem {
  const invalid = (error: string, description: string): Problem => ({
    code: "validation_failed",
    error,
    description,
  });
  switch (reason.code) {
    case "project_not_found":
    case "project_inactive":
    case "token_not_found":
    case "token_expired":
      return { code: reason.code };
    case "no_fields_to_update":
      return invalid("no fields to update", "Give at least one field to change");
    case "expiry_missing":
      return invalid(
        "project_id and duration_minutes are required",
        `Give duration_minutes from 1 to ${durationMinutesMax}, or expires_at`,
      );
    case "expiry_ambiguous":
      return invalid("duration_minutes and expires_at exclude each other", "Give one of them");
    case "duration_out_of_range":
      return invalid(
        "duration_minutes exceeds maximum allowed",
        `Give 1 to ${durationMinutesMax} minutes (365 days), or an expires_at within that time from now`,
      );
    case "limit_invalid":
      return limitProblem(reason);
  }
}

function limitProblem({ field, advice }: LimitFault): Problem {
  const fault = { code: "validation_failed" as const, field };
  // scripts match on it (contract 1.3)
  if (field === "max_requests")
    return {
      ...fault,
      error: "max_requests must be >= 0",
      description: `Give 0 for no limit, or 1 to ${maxRequestsMax}`,
    };
  return { ...fault, error: `${field} is not valid`, description: advice };
}
