import { defineCommand } from "citty";
import { parseBoolean } from "../src/config/units.ts";
import { type CliIo, CommandError, UsageError } from "./output.ts";
import { localUrl, probe } from "./server-probe.ts";

/** A hung server must be known as one within 3 s (CLI-104), the start of this process included. */
const timeoutMs = 2_500;
const defaultAddress = ":8080";

/** Where to look, and for what. */
export interface HealthcheckOptions {
  /** Address of the server; default is LISTEN_ADDR on this machine. */
  readonly url?: string | undefined;
  /** Asks whether it can serve (`/ready`), not only whether it lives (`/live`). */
  readonly ready: boolean;
}

/**
 * Asks a server how it is, reading nothing but LISTEN_ADDR and ENABLE_TLS: no settings, no database.
 * @throws {CommandError} if it does not answer 200 within 2.5 s
 * @throws {UsageError} if the address is none
 */
export async function checkHealth(options: HealthcheckOptions, io: CliIo): Promise<void> {
  const url = `${baseUrl(options, io)}${options.ready ? "/ready" : "/live"}`;
  const status = await probe(url, timeoutMs, options.url === undefined ? { isOwn: true } : {});
  if (!status.ok) {
    throw new CommandError(
      status.error === "timeout"
        ? `No answer from ${url} within ${timeoutMs} ms`
        : `Nobody answers at ${url}`,
    );
  }
  if (status.value !== 200) throw new CommandError(`${url} answered ${status.value}`);
  io.stdout.write("ok\n");
}

function baseUrl(options: HealthcheckOptions, io: CliIo): string {
  if (options.url !== undefined) {
    const url = URL.parse(options.url);
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw new UsageError(
        `--url '${options.url}' is no http or https URL: write one such as http://127.0.0.1:8080`,
      );
    }
    return url.href.replace(/\/+$/, "");
  }
  const address = io.environment["LISTEN_ADDR"]?.trim() || defaultAddress;
  const isTls = parseBoolean(io.environment["ENABLE_TLS"]?.trim() || "false");
  const url = localUrl(address, isTls.ok && isTls.value);
  if (!url.ok) throw new UsageError(`LISTEN_ADDR '${address}' ${url.error}`);
  return url.value;
}

export const healthcheck = defineCommand({
  meta: {
    name: "healthcheck",
    description:
      "Ask a running server whether it lives, for containers. Example: llm-proxy healthcheck --ready",
  },
  args: {
    url: { type: "string", description: "Address of the server (default: LISTEN_ADDR on this machine)" },
    ready: {
      type: "boolean",
      default: false,
      description: "Ask whether it can serve, not only whether it lives",
    },
  },
  run: ({ args, data }) => checkHealth({ url: args.url, ready: args.ready }, data),
});
