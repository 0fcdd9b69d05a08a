import type { Secret } from "../src/secret.ts";
import { addressOf, type Transport } from "./client-call.ts";
import { CommandError } from "./output.ts";

/** How long one exchange may take, body and all. */
const exchangeMsMax = 30_000;

/**
 * Carries requests over HTTP with the management token. Redirects come back as they are: the token goes to the host
 * of the request and to no other (CLI-105). Throws {CommandError} where no answer comes, or not all of it in time.
 */
export function createHttpTransport(token: Secret, timeoutMs = exchangeMsMax): Transport {
  return async (request) => {
    request.headers.set("authorization", `Bearer ${token.reveal()}`);
    const fault = (error: unknown): CommandError => wordFault(error, addressOf(request.url), timeoutMs);
    const signal = AbortSignal.timeout(timeoutMs);
    let response: Response;
    try {
      response = await fetch(request, { redirect: "manual", signal });
    } catch (error) {
      throw fault(error);
    }
    const { status, headers, body } = response;
    return new Response(body && wordedBody(body, fault), { status, headers });
  };
}

function wordedBody(body: ReadableStream<Uint8Array>, fault: (error: unknown) => CommandError) {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(fault(error));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function wordFault(error: unknown, url: string, timeoutMs: number): CommandError {
  const { origin } = new URL(url);
  const { name = "", code = "", message = "" } = error as { name?: string; code?: string; message?: string };
  if (name === "TimeoutError")
    return new CommandError(`${origin} did not answer within ${timeoutMs / 1000} s`);
  if (/^(?:ConnectionRefused|ECONNREFUSED|FailedToOpenSocket|ENOTFOUND)$/.test(code)) {
    return new CommandError(
      `Nobody answers at ${origin}`,
      "Start the server with llm-proxy server, name another by --manage-api-base-url, or use --offline on its machine",
    );
  }
  if (/CERT|SIGNATURE|TLS|SSL/.test(code)) {
    return new CommandError(
      `The certificate of ${origin} is not trusted (${code})`,
      "NODE_EXTRA_CA_CERTS names a file with further certificates",
    );
  }
  const why = code === "" ? message.replace(/\.? For more information, .*$/, "") : code;
  return new CommandError(`No whole answer from ${origin}: ${why}`);
}
