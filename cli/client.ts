import { type Call, createCall, type Query, type RecordRow, type Transport } from "./client-call.ts";

/** Limits as the API takes and shows them; null is no limit. */
export interface LimitFields {
  readonly max_requests?: number | null;
  readonly rpm?: number | null;
  readonly tpm?: number | null;
  readonly max_concurrency?: number | null;
  readonly allowed_models?: readonly string[] | null;
  /** A decimal. */
  readonly budget_usd?: string | null;
  readonly budget_period?: string;
  readonly unpriced?: string;
}

/** A project as the API shows it; a server of another version may leave fields out or have more. */
export interface ProjectRow extends LimitFields {
  readonly id: string;
  readonly name: string;
  readonly provider: string;
  /** Masked. */
  readonly api_key: string;
  readonly is_active: boolean;
  readonly expires_at?: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly deactivated_at?: string;
  readonly tokens_revoked?: number;
}

export interface KeyRow {
  readonly id: string;
  readonly provider: string;
  readonly name: string;
  readonly weight: number;
  /** Masked. */
  readonly api_key: string;
  readonly key_status: string;
  readonly resting_until?: string;
  readonly last_status?: number;
  readonly created_at: string;
}

export interface TokenRow extends LimitFields {
  readonly id: string;
  /** Masked, but for the answer that made it. */
  readonly token: string;
  readonly project_id: string;
  readonly expires_at: string;
  readonly is_active: boolean;
  readonly request_count: number;
  readonly last_used_at: string | null;
}

/** The newest usage records or audit events, and how many there are in all. */
export interface Records {
  readonly rows: readonly RecordRow[];
  readonly total: number;
}

export interface ProjectChange extends LimitFields {
  readonly name?: string;
  readonly provider?: string;
  readonly api_key?: string;
  readonly is_active?: boolean;
  /** RFC 3339; null: never. */
  readonly expires_at?: string | null;
  readonly revoke_tokens?: boolean;
}

export interface NewKey {
  readonly api_key: string;
  readonly provider?: string;
  readonly name?: string;
  readonly weight?: number;
}

export interface TokenChange extends LimitFields {
  readonly is_active?: boolean;
  readonly duration_minutes?: number;
  /** RFC 3339. */
  readonly expires_at?: string;
}

export interface NewToken extends Omit<TokenChange, "is_active"> {
  readonly project_id: string;
}

/** What to delete of the cache: one entry by method and url, those below a prefix, or all. */
export interface CachePurge {
  readonly method?: string;
  readonly url?: string;
  readonly prefix?: string;
  readonly project_id?: string;
  readonly all?: boolean;
}

/** The management API. Lists are fetched page by page; every method throws {CommandError} with the server's words. */
export interface Client {
  readonly projects: {
    list(filter: Query): Promise<readonly ProjectRow[]>;
    show(id: string): Promise<ProjectRow>;
    create(wanted: ProjectChange): Promise<ProjectRow>;
    update(id: string, change: ProjectChange): Promise<ProjectRow>;
    revokeTokens(
      id: string,
    ): Promise<{ readonly revoked_count: number; readonly already_revoked_count: number }>;
  };
  readonly keys: {
    list(projectId: string): Promise<readonly KeyRow[]>;
    add(projectId: string, wanted: NewKey): Promise<KeyRow>;
    remove(projectId: string, keyId: string): Promise<void>;
  };
  readonly tokens: {
    list(filter: Query): Promise<readonly TokenRow[]>;
    show(id: string): Promise<TokenRow>;
    create(wanted: NewToken): Promise<TokenRow>;
    update(id: string, change: TokenChange): Promise<TokenRow>;
    revoke(id: string): Promise<void>;
  };
  readonly usage: RecordClient;
  /** Sums of usage. */
  readonly usageSums: { list(query: Query): Promise<readonly RecordRow[]> };
  readonly audit: RecordClient;
  readonly cache: {
    /** Whether there was the one entry; for a prefix and for all how many there were. */
    purge(wanted: CachePurge): Promise<{ readonly deleted: boolean | number }>;
  };
}

/** Records are listed newest first; `limit` 0 is all. */
export interface RecordClient {
  list(filter: Query, limit: number): Promise<Records>;
  show(id: string): Promise<RecordRow>;
}

/** The server gives no more at once. */
const pageSize = 100;

/** Speaks to the management API at `baseUrl`, or to that of this process, as the transport goes. */
export function createClient(transport: Transport, baseUrl: string): Client {
  const call = createCall(transport, baseUrl);
  const one = <T>(method: string, path: string, body?: object): Promise<T> =>
    call.object(method, path, body) as Promise<T>;
  const project = (id: string) => `/projects/${encodeURIComponent(id)}`;
  const token = (id: string) => `/tokens/${encodeURIComponent(id)}`;
  return {
    projects: {
      list: (filter) => allRows<ProjectRow>(call, "/projects", filter),
      show: (id) => one("GET", project(id)),
      create: (wanted) => one("POST", "/projects", wanted),
      update: (id, change) => one("PATCH", project(id), change),
      revokeTokens: (id) => one("POST", `${project(id)}/tokens/revoke`),
    },
    keys: {
      list: async (projectId) => (await call.rows(`${project(projectId)}/keys`, {})).rows as never,
      add: (projectId, wanted) => one("POST", `${project(projectId)}/keys`, wanted),
      remove: (projectId, keyId) =>
        call.nothing("DELETE", `${project(projectId)}/keys/${encodeURIComponent(keyId)}`),
    },
    tokens: {
      list: (filter) => allRows<TokenRow>(call, "/tokens", filter),
      show: (id) => one("GET", token(id)),
      create: (wanted) => one("POST", "/tokens", wanted),
      update: (id, change) => one("PATCH", token(id), change),
      revoke: (id) => call.nothing("DELETE", token(id)),
    },
    usage: recordClient(call, { path: "/requests", field: "requests", idField: "request_id" }),
    usageSums: { list: async (query) => (await call.rows("/usage", query, "data")).rows },
    audit: recordClient(call, { path: "/audit", field: "events", idField: "id" }),
    cache: { purge: (wanted) => one("POST", "/cache/purge", wanted) },
  };
}

interface RecordRoute {
  readonly path: string;
  /** Where an answer has its rows. */
  readonly field: string;
  readonly idField: string;
}

function recordClient(call: Call, { path, field, idField }: RecordRoute): RecordClient {
  return {
    show: (id) => call.object("GET", `${path}/${encodeURIComponent(id)}`),
    async list(filter, limit) {
      const size = limit === 0 ? pageSize : Math.min(limit, pageSize);
      let total = 0;
      const rows = await collect(limit, idField, async (page) => {
        const found = await call.rows(path, { ...filter, page, page_size: size }, field);
        total = found.total ?? found.rows.length;
        return { rows: found.rows, total };
      });
      return { rows, total };
    },
  };
}

async function allRows<T>(call: Call, path: string, filter: Query): Promise<readonly T[]> {
  const rows = await collect(0, "id", async (page) => {
    const found = await call.rows(path, { ...filter, page, page_size: pageSize });
    // A server that does not count gave the whole list.
    return { rows: found.rows, total: found.total ?? found.rows.length };
  });
  return rows as readonly unknown[] as readonly T[];
}

/** Fetches pages until `limit` rows (0: all) are there. A row that slips to the next page meanwhile counts once. */
async function collect(
  limit: number,
  idField: string,
  fetchPage: (page: number) => Promise<Records>,
): Promise<readonly RecordRow[]> {
  const byId = new Map<unknown, RecordRow>();
  let seen = 0;
  for (let page = 1; ; page++) {
    const { rows, total } = await fetchPage(page);
    for (const row of rows) byId.set(row[idField] ?? row, row);
    seen += rows.length;
    if (limit > 0 && byId.size >= limit) return [...byId.values()].slice(0, limit);
    if (rows.length === 0 || seen >= total) return [...byId.values()];
  }
}
