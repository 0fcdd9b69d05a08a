/** Why settings are refused. */
export type ProblemCode =
  | "unreadable_file"
  | "invalid_syntax"
  | "unknown_name"
  | "invalid_value"
  | "missing"
  | "conflict";

/** One thing to put right before a start. Never holds a secret. */
export interface Problem {
  readonly code: ProblemCode;
  /** Where, if in a file. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  /** As the operator wrote it: `LISTEN_ADDR`, `--addr`, `listen_addr`, `apis.openai.base_url`; "" for a whole file. */
  readonly name: string;
  /** What is wrong and what to do: a sentence that goes on behind the name. */
  readonly message: string;
}

/** One line for people: `llm-proxy.yaml:7: log_level "loud" is not one of debug, info, warn, error`. */
export function formatProblem({ file, line, name, message }: Problem): string {
  const place = file === undefined ? "" : `${file}${line === undefined ? "" : `:${line}`}: `;
  return `${place}${name === "" ? "" : `${name} `}${message}`;
}
