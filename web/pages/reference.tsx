import { Html } from "@elysiajs/html";

/** The page of the API reference, whole. It loads the viewer and nothing off the server; no value of ours stands in it. */
export function referencePage(): string {
  const page = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>llm-proxy · API</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="/docs/assets/swagger-ui.css" />
        <script src="/docs/assets/swagger-ui-bundle.js" defer />
        <script src="/docs/assets/docs.js" defer />
      </head>
      <body>
        <div id="reference" />
        <noscript>
          This page needs JavaScript; the description itself is at <a href="/docs/json">/docs/json</a>.
        </noscript>
      </body>
    </html>
  );
  return `<!doctype html>${page}`;
}
