import type { Field } from "../project/parameters.ts";
import { fieldsMax } from "../provider/json-scan.ts";

/** The lines above a part's content; those of SDKs are a tenth of it. */
const headBytesMax = 4096;

const fieldLine = /^[!#$%&'*+.^_`|~0-9a-z-]+:.*$/i;
const dispositionLine =
  /^content-disposition:[ \t]*form-data(?<parameters>([ \t]*;[ \t]*[^\s=";]+=("([^"\\]|\\.)*"|[^\s";\\]+))+)$/i;
const parameter = /;[ \t]*(?<name>[^\s=";]+)=(?:"(?<quoted>([^"\\]|\\.)*)"|(?<token>[^\s";\\]+))/g;
const encodingLine = /^content-transfer-encoding:(?![ \t]*(7bit|8bit|binary)[ \t]*$)/i;

/**
 * The fields of a `multipart/form-data` body (RFC 7578). Read here and not by the runtime, which passes over what it
 * does not understand: undefined is also a form that some reader would take in another way, so that nothing walks
 * round the check. That is bare line feeds, text around the parts, folded lines, `name*=`, a name with escapes, a
 * part without exactly one name, an encoded part, more than 1,000 parts. No SDK sends any of these.
 */
export function readMultipart(type: string, bytes: Uint8Array): readonly Field[] | undefined {
  const boundaries = [...type.matchAll(/;[ \t]*boundary=(?:"([^"\\]+)"|([^\s";]+))/gi)];
  const boundary = boundaries[0]?.[1] ?? boundaries[0]?.[2];
  if (boundary === undefined || boundaries.length > 1) return undefined;
  const pieces = Buffer.from(bytes)
    .toString("latin1")
    .split(`--${boundary}`, fieldsMax + 3);
  const [before, after] = [pieces.shift(), pieces.pop()];
  if (before !== "" || (after !== "--" && after !== "--\r\n")) return undefined;
  const fields = pieces.map(readPart);
  return fields.every((field) => field !== undefined) ? fields : undefined;
}

/** `\r\n` head `\r\n\r\n` content `\r\n`, which is all that stands between two boundaries. */
function readPart(piece: string): Field | undefined {
  const headEnd = piece.indexOf("\r\n\r\n");
  if (headEnd < 0 || headEnd > headBytesMax || !piece.startsWith("\r\n") || !piece.endsWith("\r\n"))
    return undefined;
  const lines = piece.slice(2, headEnd).split("\r\n");
  if (!lines.every((line) => fieldLine.test(line) && !encodingLine.test(line))) return undefined;
  const dispositions = lines.filter((line) => /^content-disposition:/i.test(line));
  const parameters = dispositionLine.exec(dispositions[0] ?? "")?.groups?.["parameters"];
  if (parameters === undefined || dispositions.length > 1) return undefined;
  const given = [...parameters.matchAll(parameter)].map(({ groups }) => ({
    key: groups?.["name"]?.toLowerCase() ?? "",
    value: groups?.["quoted"] ?? groups?.["token"] ?? "",
  }));
  const names = given.filter(({ key }) => key === "name");
  const [name] = names;
  if (name === undefined || names.length > 1 || name.value.includes("\\")) return undefined;
  if (!given.every(({ key }) => ["name", "filename", "filename*"].includes(key))) return undefined;
  const content = piece.slice(headEnd + 4, -2);
  return { name: utf8(name.value), scalar: given.length > 1 ? undefined : utf8(content) };
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}
