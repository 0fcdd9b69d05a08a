import { CommandError } from "./output.ts";
import { printable } from "./table.ts";

/** Carries a request to the management API and its answer back; adds what authenticates it. */
export type Transport = (request: Request) => Promise<Response>;

/** Query parameters; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** An object of an answer, field by field, as the server gives it. */
export type RecordRow = Readonly<Record<string, unknown>>;

/** One exchange with the management API, paths below `/manage`. All throw {CommandError}. */
export interface Call {
  object(method: string, path: string, body?: object): Promise<RecordRow>;
  /** A list, bare or in a field of the answer; `total` where the server counts. */
  rows(
    path: string,
    query: Query,
    field?: string,
  ): Promise<{ readonly rows: readonly RecordRow[]; readonly total: number | undefined }>;
  nothing(method: string, path: string): Promise<void>;
}

const answerBytesMax = 16 * 1024 * 1024;
const checkAddress = "Check --manage-api-base-url, or MANAGEMENT_API_BASE_URL";

/** Exchanges JSON by the transport, and words whatever comes instead in one line. */
export function createCall(transport: Transport, baseUrl: string): Call {
  const where = addressOf(baseUrl);

  async function exchange(method: string, path: string, body?: object) {
    const request = new Request(`${baseUrl}/manage${path}`, {
      method,
      ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    const response = await transport(request);
    if (response.status >= 300 && response.status < 400) throw redirected(where, response);
    const text = await readText(where, response);
    const value = response.status === 204 ? undefined : parse(text);
    if (!response.ok) throw refused(where, response, value);
    return { value, response };
  }

  const stranger = (response: Response): CommandError =>
    new CommandError(`${where} answered ${kindOf(response)} that is not the management API's`, checkAddress);

  return {
    async object(method, path, body) {
      const { value, response } = await exchange(method, path, body);
      if (!isRecord(value)) throw stranger(response);
      return value;
    },
    async rows(path, query, field) {
      const { value, response } = await exchange("GET", path + queryText(query));
      const rows = field === undefined ? value : isRecord(value) ? value[field] : undefined;
      if (!Array.isArray(rows) || !rows.every(isRecord)) throw stranger(response);
      return { rows, total: totalOf(value, response) };
    },
    async nothing(method, path) {
      await exchange(method, path);
    },
  };
}

/** An address as it may be shown: without a user and password in it. */
export function addressOf(baseUrl: string): string {
  const { origin, pathname } = new URL(baseUrl);
  return origin + pathname.replace(/\/$/, "");
}

function queryText(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(
    given.map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  return text === "" ? "" : `?${text}`;
}

function totalOf(value: unknown, { headers }: Response): number | undefined {
  const pagination = isRecord(value) && isRecord(value["pagination"]) ? value["pagination"] : {};
  const total = Number(pagination["total_count"] ?? headers.get("x-total-count") ?? Number.NaN);
  return Number.isNaN(total) ? undefined : total;
}

async function readText(where: string, response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) {
      throw new CommandError(`${where} answered more than 16 MiB, which no list of it has`, checkAddress);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

function redirected(where: string, { status, headers }: Response): CommandError {
  const target = URL.parse(headers.get("location") ?? "", where)?.origin ?? "elsewhere";
  return new CommandError(
    `${where} answered ${status}, a redirect to ${target}, which is not followed: the token would go with it`,
    checkAddress,
  );
}

function refused(where: string, response: Response, value: unknown): CommandError {
  const { error, code, description } = isRecord(value) ? value : {};
  if (typeof error !== "string") {
    return new CommandError(`${where} answered ${response.status} with ${kindOf(response)}`, checkAddress);
  }
  const named = typeof code === "string" ? ` [${short(code)}]` : "";
  return new CommandError(
    short(error) + named,
    typeof description === "string" ? short(description) : undefined,
  );
}

const wordsMax = 500;

function short(text: string): string {
  const clean = printable(text);
  return clean.length > wordsMax ? `${clean.slice(0, wordsMax)}…` : clean;
}

function kindOf({ headers }: Response): string {
  const type = headers.get("content-type")?.split(";")[0]?.trim() ?? "";
  return /^[\w.+-]+\/[\w.+-]+$/.test(type) ? `something of type ${type}` : "something";
}

function isRecord(value: unknown): value is RecordRow {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // told from JSON by every reader, since no answer is undefined
  }
}
