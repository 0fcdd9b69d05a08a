import { Elysia } from "elysia";
import { problemResponse } from "./problem.ts";

/** A file in the binary. */
export interface Asset {
  /** As in the address: `swagger-ui.css`. */
  readonly name: string;
  /** Where the binary keeps it. */
  readonly path: string;
  readonly contentType: string;
}

/** Everything from here, nothing inline; the viewer sets styles through the DOM, which needs no permission. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The page at `/docs` and all that it loads; made in `web`. */
export interface Docs {
  readonly page: string;
  readonly assets: readonly Asset[];
}

/** The reference of the management API as a page. */
export function docsRoutes({ page, assets }: Docs) {
  const byName = new Map(assets.map((asset) => [asset.name, asset]));
  return new Elysia()
    .get(
      "/docs",
      () =>
        new Response(page, {
          headers: {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": contentSecurityPolicy,
            "referrer-policy": "no-referrer",
            "x-frame-options": "DENY",
          },
        }),
      { detail: { hide: true } },
    )
    .get(
      "/docs/assets/:name",
      ({ params }) => {
        const asset = byName.get(params.name);
        return asset === undefined
          ? problemResponse({ code: "not_found" })
          : new Response(Bun.file(asset.path), {
              headers: { "content-type": asset.contentType, "cache-control": "public, max-age=3600" },
            });
      },
      { detail: { hide: true } },
    );
}
