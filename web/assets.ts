import viewerStyle from "../node_modules/swagger-ui-dist/swagger-ui.css" with { type: "file" };
import viewerScript from "../node_modules/swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import docsScript from "./assets/docs.js" with { type: "file" };

/** A file in the binary. */
export interface EmbeddedAsset {
  /** The last part of its address. */
  readonly name: string;
  /** For `Bun.file`; in the binary it is a path of its own. */
  readonly path: string;
  readonly contentType: string;
}

const css = "text/css; charset=utf-8";
const javascript = "text/javascript; charset=utf-8";

/** What the API reference at `/docs` loads. */
export const docsAssets: readonly EmbeddedAsset[] = [
  { name: "swagger-ui.css", path: viewerStyle, contentType: css },
  { name: "swagger-ui-bundle.js", path: viewerScript, contentType: javascript },
  { name: "docs.js", path: docsScript, contentType: javascript },
];
