export type DatabaseFaultCode =
  | "database_unwritable"
  | "database_readonly"
  | "database_invalid"
  | "database_corrupt"
  | "database_locked"
  | "database_full"
  | "database_io"
  | "database_predecessor"
  | "database_foreign";

/** The database cannot be opened or used; `message` says what is wrong, `advice` what to do about it. */
export class DatabaseFault extends Error {
  override readonly name = "DatabaseFault";
  readonly code: DatabaseFaultCode;
  readonly advice: string;
  constructor(code: DatabaseFaultCode, message: string, advice: string) {
    super(message);
    this.code = code;
    this.advice = advice;
  }
}
