/** What one look at the installation has found. */
export interface Check {
  readonly name: string;
  /** `warning`: works, but look at it; `failed`: does not work or is not safe. */
  readonly status: "ok" | "warning" | "failed";
  /** What was found. Never a secret. */
  readonly message: string;
  /** What to do; always there unless it is ok. */
  readonly advice?: string;
}

/** All is well. */
export function good(name: string, message: string): Check {
  return { name, status: "ok", message };
}

/** It works, but somebody should look at it. */
export function warning(name: string, message: string, advice: string): Check {
  return { name, status: "warning", message, advice };
}

/** It does not work, or is not safe. */
export function failed(name: string, message: string, advice: string): Check {
  return { name, status: "failed", message, advice };
}
