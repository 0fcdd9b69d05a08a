import { loadSettings } from "../src/config/load.ts";
import { clearTextProxy } from "../src/config/outbound-proxy.ts";
import { isFile } from "../src/config/text-file.ts";
import { type Client, createClient } from "./client.ts";
import { createHttpTransport } from "./client-http.ts";
import { argsOf, loadStore, readFlags, settled, warner } from "./config-flags.ts";
import { type CliIo, CommandError, UsageError } from "./output.ts";
import { readSecret } from "./secret-input.ts";
import { orRefuse } from "./server-fault.ts";

const { db, config } = argsOf("store");

/** The flags of every `manage` command: whom to speak to, and how to print. */
export const connection = {
  ...(argsOf("client") as object), // read by their setting keys, never by name
  ...({ db, config } as object),
  offline: {
    type: "boolean",
    default: false,
    description: "Work on the database itself, on its machine; a server may run meanwhile",
  },
  json: { type: "boolean", default: false, description: "Print one JSON document" },
} as const;

/** What citty parsed of these flags and others. */
export interface ConnectionFlags {
  readonly offline: boolean;
  readonly json: boolean;
}

/**
 * Lets `work` use the management API: that of a server, or with `--offline` that of this process on the database.
 * @throws {UsageError} without a management token; {CommandError} for wrong settings or a database that is refused
 */
export function withClient<T>(
  flags: ConnectionFlags,
  io: CliIo,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  return flags.offline ? offline(flags, io, work) : online(flags, io, work);
}

async function online<T>(args: ConnectionFlags, io: CliIo, work: (client: Client) => Promise<T>): Promise<T> {
  const given = readFlags("client", { ...args });
  const { environment, cwd } = io;
  const fromFlag = await readSecret(
    { flag: "--management-token", value: flagText(given.managementToken) },
    io,
  );
  const flags = { ...given, managementToken: undefined };
  const { config: settings, warnings } = settled(
    loadSettings({ flags, environment, cwd, groups: ["client"] }),
  );
  const warn = warner(io);
  warnings.forEach(warn);
  const token = fromFlag ?? settings.managementToken;
  if (token === undefined) {
    throw new UsageError(
      "No management token: set MANAGEMENT_TOKEN or MANAGEMENT_TOKEN_FILE, or name its env file by --env",
    );
  }
  const baseUrl = settings.managementApiBaseUrl;
  refuseEavesdropper(baseUrl, environment);
  if (isOpenRoad(baseUrl)) warn("The management token goes over plain http: use https for another machine");
  return work(createClient(createHttpTransport(token), baseUrl));
}

async function offline<T>(
  args: ConnectionFlags,
  io: CliIo,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { createApp } = await import("../src/app.ts");
  const loaded = loadStore(readFlags("store", { ...args }), io.environment);
  loaded.warnings.forEach(warner(io));
  mustExist(loaded.config.databasePath);
  const app = orRefuse(await createApp(loaded, { offline: true }));
  try {
    return await work(createClient((request) => app.manage(request), "http://localhost"));
  } finally {
    await app.close();
  }
}

/** Opening a database would make one: in a wrong directory that hides the mistake. @throws {CommandError} */
export function mustExist(databasePath: string): void {
  if (isFile(databasePath)) return;
  throw new CommandError(
    `There is no database at ${databasePath}`,
    "Name it by --db or --data-dir, or make one with llm-proxy setup",
  );
}

function flagText(value: string | boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

/** The runtime sends plain http through a proxy of the environment, even to this machine: it would read the token. */
function refuseEavesdropper(baseUrl: string, environment: CliIo["environment"]): void {
  const variable = clearTextProxy(baseUrl, environment);
  if (variable !== undefined) {
    const { hostname } = new URL(baseUrl);
    throw new CommandError(
      `The proxy that ${variable} names would read the management token on its way to ${hostname}`,
      `Add ${hostname} to NO_PROXY, or use https`,
    );
  }
}

function isOpenRoad(baseUrl: string): boolean {
  const { protocol, hostname } = new URL(baseUrl);
  return protocol === "http:" && !/^(?:(?:.+\.)?localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}
