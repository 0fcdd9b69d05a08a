import { fail, ok, type Result } from "../result.ts";

/**
 * Reads a request body that has to be held, up to a bound; what is above it is not read.
 * `broken`: the client ended it before its end.
 */
export async function readBody(
  request: Request,
  bytesMax: number,
): Promise<Result<Uint8Array<ArrayBuffer>, "too_large" | "broken">> {
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) return fail("too_large");
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.length;
      if (bytes > bytesMax) return fail("too_large"); // leaving the loop cancels the stream
      chunks.push(chunk);
    }
  } catch {
    return fail("broken"); // nobody is left to be told more
  }
  return ok(new Uint8Array(Buffer.concat(chunks)));
}
