/** `import text from "./file.yaml" with { type: "text" }`: the file's text, embedded in the binary. */
declare module "*.yaml" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: this is how Bun hands out a text import
  export default text;
}
