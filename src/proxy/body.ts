import { checkParameters, type Field } from "../project/parameters.ts";
import { readDecoded } from "../project/policy.ts";
import { listJsonFields } from "../provider/json-scan.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Body, Call, Permit } from "./call.ts";
import { readMultipart } from "./multipart.ts";
import type { Refusal } from "./refuse.ts";

/** Bodies up to this length are read before the provider is called: cheaper than to stream them (bun.md section 1). */
const heldAnywayBytesMax = 1 << 20;

interface BodyDeps {
  /** Bound for a body that a policy must read. */
  readonly bytesMax: number;
  readonly enableStreaming: boolean;
}

/** Reads the request body as far as a policy needs it, and checks it; otherwise it is left to pass. */
export function createReadBody(deps: BodyDeps) {
  return async (call: Call, permit: Permit): Promise<Result<Body, Refusal>> => {
    const { request } = call;
    if (!deps.enableStreaming && asksForStream(call.query, permit.path))
      return fail({ code: "streaming_disabled" });
    if (!hasBody(request.headers)) return ok({ kind: "none" });
    const isChecked = permit.provider.paramWhitelist.size > 0 || !deps.enableStreaming;
    const length = Number(request.headers.get("content-length") ?? Number.NaN);
    if (!isChecked) {
      if (!(length <= heldAnywayBytesMax)) return ok({ kind: "streamed", stream: streamOf(request) });
      return ok({ kind: "held", bytes: new Uint8Array(await request.arrayBuffer()) });
    }
    if (length > deps.bytesMax) return fail({ code: "request_too_large", bytesMax: deps.bytesMax });
    const bytes = await readUpTo(streamOf(request), deps.bytesMax);
    if (bytes === undefined) return fail({ code: "request_too_large", bytesMax: deps.bytesMax });
    const refusal = checkBody(request.headers, bytes, permit, deps.enableStreaming);
    return refusal === undefined ? ok({ kind: "held", bytes }) : fail(refusal);
  };
}

/** By the framing (RFC 9112, 6.3): to look at `request.body` would make a stream of it, which costs a third of a request. */
function hasBody(headers: Headers): boolean {
  const length = headers.get("content-length");
  return length === null ? headers.has("transfer-encoding") : length !== "0";
}

function streamOf(request: Request): ReadableStream<Uint8Array> {
  return request.body ?? new ReadableStream({ start: (controller) => controller.close() });
}

/** The ways to ask for a stream without a body: Gemini's method name, `alt=sse`, and `stream=true`; however written. */
function asksForStream(query: string, path: string): boolean {
  const parameters = [...new URLSearchParams(query.replaceAll(";", "&"))];
  const decoded = readDecoded(path);
  return (
    parameters.some(([name, value]) =>
      name === "alt" ? value === "sse" : name === "stream" && !isNo(value),
    ) ||
    (decoded.ok && decoded.value.includes(":streamGenerateContent"))
  );
}

/** Servers take `1`, `yes` and more for true (pydantic, as in vLLM): what is not clearly a no is a yes. */
function isNo(value: string | undefined): boolean {
  return /^(false|0|no|off|null)$/i.test(value ?? "null");
}

async function readUpTo(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.byteLength;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** What a provider's own rules have against a body that is held; `mayStream` is whether it may ask for a stream. */
export function checkBody(
  headers: Headers,
  bytes: Uint8Array,
  { provider }: Pick<Permit, "provider">,
  mayStream: boolean,
): Refusal | undefined {
  if (bytes.byteLength === 0) return undefined;
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") return { code: "unsupported_encoding" };
  const fields = readFields(headers.get("content-type") ?? "", bytes);
  if (fields === undefined) return { code: "invalid_request_body", detail: "it is neither JSON nor a form" };
  const checked = checkParameters(fields, provider.paramWhitelist);
  if (!checked.ok) return checked.error;
  const streams = fields.some(({ name, scalar }) => name.toLowerCase() === "stream" && !isNo(scalar));
  return streams && !mayStream ? { code: "streaming_disabled" } : undefined;
}

/**
 * The fields of a JSON object or a form; undefined where it is neither. What looks like JSON is read as JSON whatever
 * its type, since providers do so too and a wrong Content-Type must not walk round the check; as a form it is then
 * read as well.
 */
function readFields(type: string, bytes: Uint8Array): readonly Field[] | undefined {
  const text = decodeUtf8(bytes);
  const json = text === undefined ? undefined : listJsonFields(text);
  const jsonFields = json?.ok ? json.value : undefined;
  if (!/^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(type)) return jsonFields;
  if (jsonFields === undefined && beginsLikeJson(bytes)) return undefined;
  const isMultipart = type.toLowerCase().startsWith("multipart");
  const formFields = isMultipart ? readMultipart(type, bytes) : readUrlencoded(bytes);
  return formFields && [...formFields, ...(jsonFields ?? [])];
}

/** Readers that stop behind the first value, as Go's do, take a part for the whole, and many look at no type. */
function beginsLikeJson(bytes: Uint8Array): boolean {
  return /^(\xef\xbb\xbf)?[\t\n\r ]*[{[]/.test(Buffer.from(bytes).toString("latin1"));
}

function readUrlencoded(bytes: Uint8Array): readonly Field[] {
  const parameters = new URLSearchParams(new TextDecoder().decode(bytes));
  return [...parameters].map(([name, scalar]) => ({ name, scalar }));
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined; // RFC 8259, 8.1: JSON is UTF-8
  }
}
