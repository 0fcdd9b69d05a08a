import { checkParameters } from "../project/parameters.ts";
import { readDecoded } from "../project/policy.ts";
import { createFactsReader, type FactsReader, type RequestHead } from "../provider/request-facts.ts";
import { fail, ok, type Result } from "../result.ts";
import { readFields } from "./body-fields.ts";
import { mustReadBody } from "./bounds.ts";
import type { Arrival, Body, Call, Permit } from "./call.ts";
import type { Refusal } from "./refuse.ts";
import { inTime, UploadStalled, watchUpload } from "./upload.ts";

/** Bodies up to this length are read before the provider is called: cheaper than to stream them (bun.md section 1). */
const heldAnywayBytesMax = 1 << 20;
/**
 * Such a body comes as one, so that its pauses cannot be seen: it has the time of one pause, and so much for each byte
 * (8 kB/s) besides.
 */
const heldMsPerByte = 1 / 8;

interface BodyDeps {
  /** Bound for a body that a policy must read. */
  readonly bytesMax: number;
  /** How long the client may send nothing of a body that is waited for; 0 is for ever. */
  readonly silenceMs: number;
  readonly enableStreaming: boolean;
}

/** Reads the request body as far as a policy needs it, and checks it; otherwise it is left to pass. */
export function createReadBody(deps: BodyDeps) {
  const { bytesMax, silenceMs, enableStreaming } = deps;

  async function read(call: Call, permit: Permit): Promise<Result<Body, Refusal>> {
    const { request, query } = call;
    if (!enableStreaming && asksForStream(query, permit.path)) return fail({ code: "streaming_disabled" });
    if (!hasBody(request)) return ok({ kind: "none" });
    const isChecked = permit.provider.paramWhitelist.size > 0 || !enableStreaming || mustReadBody(permit);
    const length = Number(request.headers.get("content-length") ?? Number.NaN);
    if (!isChecked) {
      if (!(length <= heldAnywayBytesMax))
        return ok(passing(request, silenceMs, createFactsReader(requestHead(call, permit))));
      const whole = await inTime(request.arrayBuffer(), silenceMs && silenceMs + length * heldMsPerByte);
      return ok({ kind: "held", bytes: new Uint8Array(whole) });
    }
    if (length > bytesMax) return fail({ code: "request_too_large", bytesMax });
    const bytes = await readUpTo(watchUpload(streamOf(request), silenceMs), bytesMax);
    if (bytes === undefined) return fail({ code: "request_too_large", bytesMax });
    const refusal = await checkBody(request.headers, bytes, permit, enableStreaming);
    return refusal === undefined ? ok({ kind: "held", bytes }) : fail(refusal);
  }

  return async (call: Call, permit: Permit): Promise<Result<Body, Refusal>> => {
    try {
      return await read(call, permit);
    } catch (fault) {
      if (fault instanceof UploadStalled) return fail({ code: "request_timeout" });
      throw fault;
    }
  };
}

function passing(request: Request, silenceMs: number, facts: FactsReader): Body {
  return { kind: "streamed", stream: watchUpload(streamOf(request), silenceMs, facts.push), facts };
}

/**
 * By the framing (RFC 9112, 6.3): to look at `request.body` would make a stream of it, which costs a third of a request.
 * That of GET and HEAD has no meaning, and the runtime does not hand it out (docs/limits.md).
 */
function hasBody({ method, headers }: Request): boolean {
  if (method === "GET" || method === "HEAD") return false;
  const length = headers.get("content-length");
  return length === null ? headers.has("transfer-encoding") : length !== "0";
}

/** What the body of a request is read by: the path is the whole one at the provider. */
export function requestHead({ request, query }: Arrival, { provider, path }: Permit): RequestHead {
  return {
    path: provider.basePath + path,
    query,
    contentType: request.headers.get("content-type") ?? "",
  };
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
export async function checkBody(
  headers: Headers,
  bytes: Uint8Array,
  { provider }: Pick<Permit, "provider">,
  mayStream: boolean,
): Promise<Refusal | undefined> {
  if (bytes.byteLength === 0) return undefined;
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") return { code: "unsupported_encoding" };
  const fields = await readFields(headers.get("content-type") ?? "", bytes);
  if (!fields.ok) return { code: "invalid_request_body", detail: fields.error };
  const checked = checkParameters(fields.value, provider.paramWhitelist);
  if (!checked.ok) return checked.error;
  const streams = fields.value.some(({ name, scalar }) => name.toLowerCase() === "stream" && !isNo(scalar));
  return streams && !mayStream ? { code: "streaming_disabled" } : undefined;
}
