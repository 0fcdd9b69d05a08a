import { UploadStalled, watchUpload } from "../proxy/upload.ts";
import { fail, ok, type Result } from "../result.ts";

type BodyFault = "request_too_large" | "request_timeout" | "invalid_request_body";

const bodiless = ["GET", "HEAD", "DELETE"];

/**
 * Reads a management body up to a bound, counting as it comes, for it may be chunked; what is above it is not read.
 * undefined: the method has none. `invalid_request_body`: the client ended it before its end; `request_timeout`: it sent
 * nothing of it for `silenceMs`.
 */
export async function readBody(
  request: Request,
  { bytesMax, silenceMs }: { readonly bytesMax: number; readonly silenceMs: number },
): Promise<Result<Uint8Array<ArrayBuffer> | undefined, BodyFault>> {
  if (bodiless.includes(request.method)) return ok(undefined);
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) return fail("request_too_large");
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.body ? watchUpload(request.body, silenceMs) : []) {
      bytes += chunk.length;
      if (bytes > bytesMax) return fail("request_too_large"); // leaving the loop cancels the stream
      chunks.push(chunk);
    }
  } catch (fault) {
    if (fault instanceof UploadStalled) return fail("request_timeout");
    return fail("invalid_request_body"); // the client has gone; nobody is left to be told more
  }
  return ok(new Uint8Array(Buffer.concat(chunks)));
}
