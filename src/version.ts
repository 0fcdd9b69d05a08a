declare const LLM_PROXY_VERSION: string | undefined;
declare const LLM_PROXY_COMMIT: string | undefined;

/** Of this build; `0.0.0-dev` where it runs from source. */
export const version = typeof LLM_PROXY_VERSION === "string" ? LLM_PROXY_VERSION : "0.0.0-dev";

/** Short commit hash of this build; `unknown` where it runs from source. */
export const commit = typeof LLM_PROXY_COMMIT === "string" ? LLM_PROXY_COMMIT : "unknown";
