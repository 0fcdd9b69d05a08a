import { join, resolve } from "node:path";

export const projectRoot = join(import.meta.dirname, "../..");

/** The binary under test, for tests that start it in their own way: `LLM_PROXY_BINARY`, else `dist/llm-proxy`. */
export const binary = resolve(process.env["LLM_PROXY_BINARY"] ?? join(projectRoot, "dist/llm-proxy"));
