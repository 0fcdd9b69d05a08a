import type { Provider } from "./config-flags.ts";

/** A request to try, by the API family of the provider. */
export interface Example {
  /** Without a slash at the end. */
  readonly serverUrl: string;
  readonly dialect: Provider["dialect"];
  readonly token: string;
}

interface Shape {
  readonly path: string;
  readonly headers: (token: string) => readonly string[];
  readonly body: unknown;
}

const hello = [{ role: "user", content: "Say hello" }];

const openai: Shape = {
  path: "/v1/chat/completions",
  headers: (token) => [`Authorization: Bearer ${token}`],
  body: { model: "gpt-4.1-mini", stream: true, messages: hello },
};

const shapes: Readonly<Record<Provider["dialect"], Shape>> = {
  openai,
  none: openai,
  anthropic: {
    path: "/v1/messages",
    headers: (token) => [`x-api-key: ${token}`, "anthropic-version: 2023-06-01"],
    body: { model: "claude-haiku-4-5", max_tokens: 100, stream: true, messages: hello },
  },
  gemini: {
    path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
    headers: (token) => [`x-goog-api-key: ${token}`],
    body: { contents: [{ role: "user", parts: [{ text: "Say hello" }] }] },
  },
};

/** A `curl` that streams a chat through the proxy, to be pasted into a POSIX shell. */
export function exampleCurl({ serverUrl, dialect, token }: Example): string {
  const { path, headers, body } = shapes[dialect];
  return [
    `curl -N '${serverUrl}${path}'`,
    ...headers(token).map((header) => `  -H '${header}'`),
    "  -H 'Content-Type: application/json'",
    `  -d '${JSON.stringify(body)}'`,
  ].join(" \\\n");
}
