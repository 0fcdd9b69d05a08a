/** `import path from "./file" with { type: "file" }`: where the file is; it comes along into the binary. */
declare module "*.css" {
  const path: string;
  // biome-ignore lint/style/noDefaultExport: this is how Bun hands out a file import
  export default path;
}
declare module "*/swagger-ui-bundle.js" {
  const path: string;
  // biome-ignore lint/style/noDefaultExport: this is how Bun hands out a file import
  export default path;
}
declare module "*/docs.js" {
  const path: string;
  // biome-ignore lint/style/noDefaultExport: this is how Bun hands out a file import
  export default path;
}
