/** Why there is no usable key; `message` says what is wrong, `advice` what to do. Nothing was changed then. */
export interface KeyringFault {
  readonly code:
    | "encryption_key_required"
    | "encryption_key_missing"
    | "encryption_key_malformed"
    | "encryption_key_wrong"
    | "encryption_key_unusable"
    | "new_key_missing"
    | "new_key_same"
    | "rotation_unfinished"
    | "keys_unreadable";
  readonly message: string;
  readonly advice: string;
}
