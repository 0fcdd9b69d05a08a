/** Why a request was not sent: nobody has seen it. */
export type EgressCode =
  /** The name has no address, the resolver has no answer to it, or all addresses refuse to be connected to. */
  | "unreachable"
  /** The resolver said nothing at all, or no address of the name takes a connection. */
  | "silent"
  /** The name leads only to where this provider may not be. */
  | "address_refused"
  /** The request would leave the provider's host or its base path. */
  | "outside_base";

/** Stands where a fault of the runtime would. Its message is for the operator, never for the caller. */
export class EgressFault extends Error {
  readonly code: EgressCode;
  constructor(code: EgressCode, message: string) {
    super(message);
    this.code = code;
  }
}
