import { defineCommand } from "citty";
import { type Clock, systemClock } from "../src/clock.ts";
import { type Address, formatAddress, parseAddress, parseDuration } from "../src/config/units.ts";
import { createMock } from "../src/mock/mock.ts";
import { Secret } from "../src/secret.ts";
import { type CliIo, CommandError, UsageError } from "./output.ts";

/** How the stand-in provider is served. */
export interface MockServeOptions {
  readonly address: Address;
  /** Time between the events of a stream; undefined: the mock's own default. */
  readonly paceMs: number | undefined;
  /** The credential it demands; undefined: none. */
  readonly apiKey: Secret | undefined;
  /** No line for each request on stderr. */
  readonly quiet: boolean;
}

/**
 * Serves until `stop` is aborted; running answers are cut then.
 * @throws {CommandError} if it cannot listen there
 */
export async function runMock(
  options: MockServeOptions,
  io: CliIo,
  stop: AbortSignal,
  clock: Clock = systemClock,
): Promise<void> {
  const { address, paceMs, apiKey, quiet } = options;
  const provider = createMock({
    clock,
    ...(paceMs === undefined ? {} : { paceMs }),
    ...(apiKey === undefined ? {} : { apiKey }),
  });
  const server = listen(address, async (request) => {
    const response = await provider.fetch(request);
    const { pathname } = new URL(request.url, "http://mock.invalid");
    if (!quiet) io.stderr.write(`${request.method} ${pathname} ${response.status}\n`);
    return response;
  });
  try {
    io.stdout.write(greet(server.url.origin, apiKey !== undefined));
    await aborted(stop);
  } finally {
    await server.stop(true);
  }
}

function listen(
  { hostname, port }: Address,
  fetch: (request: Request) => Promise<Response>,
): Bun.Server<undefined> {
  try {
    return Bun.serve({ hostname, port, fetch, idleTimeout: 0, reusePort: false, development: false });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const why = code === "EADDRINUSE" ? "the port is in use" : String(code ?? error);
    throw new CommandError(
      `Cannot listen on ${formatAddress({ hostname, port })}: ${why}; choose another --addr`,
    );
  }
}

function greet(origin: string, hasKey: boolean): string {
  const url = origin.replace("//0.0.0.0:", "//127.0.0.1:");
  const auth = hasKey ? "bearer" : "none";
  return [
    `The stand-in provider listens on ${url}`,
    "Point the proxy at it by this provider file (API_CONFIG_PATH):",
    `  apis: {mock: {base_url: "${url}", auth: ${auth}, allowed_endpoints: ["/*"], allowed_methods: [GET, POST]}}`,
    `or by: OPENAI_API_URL=${url} llm-proxy server`,
    "",
  ].join("\n");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The flags as citty gives them. */
export interface MockFlags {
  readonly addr: string;
  readonly pace?: string | undefined;
  readonly key?: string | undefined;
  readonly quiet: boolean;
}

/**
 * Reads the flags.
 * @throws {UsageError} that names the flag and says what it takes
 */
export function readMockOptions(flags: MockFlags): MockServeOptions {
  const address = parseAddress(flags.addr);
  if (!address.ok) throw new UsageError(`--addr '${flags.addr}' ${address.error}`);
  const pace = flags.pace === undefined ? undefined : parseDuration(flags.pace);
  if (pace?.ok === false) throw new UsageError(`--pace '${flags.pace}' ${pace.error}`);
  if (flags.key === "") throw new UsageError("--key is empty: give the key to demand, or leave the flag out");
  return {
    address: address.value,
    paceMs: pace?.value,
    apiKey: flags.key === undefined ? undefined : new Secret(flags.key),
    quiet: flags.quiet,
  };
}

export const mock = defineCommand({
  meta: {
    name: "mock",
    description: "Serve a stand-in provider that needs no key. Example: llm-proxy mock --addr 127.0.0.1:9000",
  },
  args: {
    addr: { type: "string", default: "127.0.0.1:9000", description: "Where to listen" },
    pace: { type: "string", description: "Time between the events of a stream (default 30ms)" },
    key: {
      type: "string",
      description: "Demand this made-up key; never give a real one, it shows in the process list",
    },
    quiet: { type: "boolean", default: false, description: "No line for each request" },
  },
  run: async ({ args, data: io }) => {
    const stop = new AbortController();
    const end = (): void => stop.abort();
    process.once("SIGTERM", end).once("SIGINT", end);
    await runMock(readMockOptions(args), io, stop.signal);
  },
});
