import type { LimitFault } from "../limit/wanted.ts";
import type { Providers } from "../provider/provider.ts";

/** Why a project or its keys could not be made or changed. api/problem.ts words each. */
export type ProjectReason =
  | { readonly code: "project_not_found" }
  | { readonly code: "project_exists"; readonly name: string }
  | { readonly code: "name_required" }
  | { readonly code: "name_too_long" }
  | { readonly code: "name_malformed" }
  | { readonly code: "key_required" }
  | { readonly code: "key_obfuscated" }
  | { readonly code: "key_malformed" }
  | { readonly code: "key_not_found" }
  | { readonly code: "key_exists"; readonly name: string }
  | { readonly code: "key_name_invalid" }
  | { readonly code: "key_weight_out_of_range" }
  | { readonly code: "provider_unknown"; readonly provider: string; readonly known: readonly string[] }
  | { readonly code: "no_fields_to_update" }
  | { readonly code: "revoke_needs_inactive" }
  | { readonly code: "expiry_in_the_past" }
  | LimitFault;

/** The reason that tells which names there are. */
export function unknownProvider(providers: Providers, provider: string): ProjectReason {
  return { code: "provider_unknown", provider, known: [...providers.byName.keys()] };
}
