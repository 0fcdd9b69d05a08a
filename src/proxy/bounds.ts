import type { Bound } from "../limit/limits.ts";
import type { Permit } from "./call.ts";

/** The token and its project, with the limits of both. */
export function boundsOfGrant({ grant: { token, project } }: Pick<Permit, "grant">): readonly Bound[] {
  return [
    { scope: "token", id: token.id, limits: token.limits },
    { scope: "project", id: project.id, limits: project.limits },
  ];
}

/** Whether a limit can only be kept by whoever has read the body. */
export function mustReadBody(permit: Pick<Permit, "grant">): boolean {
  return boundsOfGrant(permit).some(
    ({ limits }) => limits.allowedModels !== null || limits.tpm !== null || limits.budgetNanoUsd !== null,
  );
}
