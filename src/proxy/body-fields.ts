import { isUtf8 } from "node:buffer";
import type { Field } from "../project/parameters.ts";
import { fieldsMax, listJsonFields } from "../provider/json-scan.ts";
import { fail, ok, type Result } from "../result.ts";
import { readMultipart } from "./multipart.ts";

const unreadable = "it is neither JSON nor a form";
const tooLarge = `it has more than ${fieldsMax} fields, or is nested as deeply`;

/**
 * The fields of a JSON object or a form, or what is wrong with it. What looks like JSON is read as JSON whatever its
 * type, since providers do so too and a wrong Content-Type must not walk round the check; as a form it is then read as
 * well. A long text is read in slices, between which other requests have their turn.
 */
export async function readFields(type: string, bytes: Uint8Array): Promise<Result<readonly Field[], string>> {
  // RFC 8259, 8.1: JSON is UTF-8
  const json = isUtf8(bytes) ? await inTurns(listJsonFields(bytes)) : fail("not_an_object" as const);
  if (!json.ok && json.error === "too_large") return fail(tooLarge);
  if (!/^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(type))
    return json.ok ? json : fail(unreadable);
  if (!json.ok && beginsLikeJson(bytes)) return fail(unreadable);
  const isMultipart = type.toLowerCase().startsWith("multipart");
  const form = isMultipart ? readMultipart(type, bytes) : readUrlencoded(bytes);
  if (form === undefined) return fail(isMultipart ? unreadable : tooLarge);
  return ok(json.ok ? [...form, ...json.value] : form);
}

async function inTurns<T>(work: Iterator<void, T>): Promise<T> {
  let step = work.next();
  for (; !step.done; step = work.next()) await new Promise(setImmediate);
  return step.value;
}

/** Readers that stop behind the first value, as Go's do, take a part for the whole, and many look at no type. */
function beginsLikeJson(bytes: Uint8Array): boolean {
  return /^(\xef\xbb\xbf)?[\t\n\r ]*[{[]/.test(Buffer.from(bytes).toString("latin1"));
}

/** undefined: there are too many. */
function readUrlencoded(bytes: Uint8Array): readonly Field[] | undefined {
  const text = new TextDecoder().decode(bytes);
  if (text.split("&", fieldsMax + 1).length > fieldsMax) return undefined;
  return [...new URLSearchParams(text)].map(([name, scalar]) => ({ name, scalar }));
}
