import { type AppInProcess, startApp } from "../harness/app-in-process.ts";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import type { Bytes, Headers } from "../harness/http-message.ts";
import { toBuffer } from "../harness/http-message.ts";
import { DEADLINE_MS, within } from "../harness/mailbox.ts";
import type { ProxyOptions } from "../harness/proxy-process.ts";
import { exchange, type RawResponse } from "../harness/raw-client.ts";

/** A fake provider, the server in front of it, and a project with a token: what most tests of the data plane need. */
export interface Lab extends AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly app: AppInProcess;
  readonly project: { readonly id: string };
  /** Of that project, without limits, for one hour. */
  readonly token: string;
  readonly tokenId: string;
  /** A request over a connection of its own, with the token as Bearer unless other credentials are told. */
  call(target: string, request?: LabRequest): Promise<RawResponse>;
  /** The usage records, oldest first, as soon as there are that many. @throws {Error} past the deadline of 5 s */
  records(count: number): Promise<readonly UsageRow[]>;
}

/** A usage record as `GET /manage/requests` gives it. */
export interface UsageRow {
  readonly request_id: string;
  readonly token_id: string;
  readonly provider: string | null;
  readonly key_id: string | null;
  readonly path: string;
  readonly status: number;
  readonly outcome: string;
  readonly error_code: string | null;
  readonly stream: boolean;
  readonly response_bytes: number;
}

/** A request, header by header; a body that is given gets its Content-Length unless one is told. */
export interface LabRequest {
  readonly method?: string;
  readonly headers?: Headers;
  readonly body?: Bytes;
  /** Default: the lab's. "": none. */
  readonly token?: string;
  readonly deadlineMs?: number;
}

/** Starts one; `providers` and `env` as in `startApp`. Provider `lab` allows all. */
export async function openLab(options: Omit<ProxyOptions, "upstream"> = {}): Promise<Lab> {
  const upstream = await startFakeUpstream();
  const providers = (options.providers ?? "").replaceAll("$UPSTREAM", upstream.origin);
  const app = await startApp({ ...options, upstream: upstream.origin, providers });
  const project = await app.newProject();
  const { token, id: tokenId } = await app.newToken(project.id);
  return {
    upstream,
    app,
    project,
    token,
    tokenId,
    call: (target, request = {}) => {
      const { method = request.body === undefined ? "GET" : "POST", deadlineMs } = request;
      const bytes = requestBytes(target, { token, ...request, method });
      return exchange(app.port, bytes, { method, ...(deadlineMs !== undefined && { deadlineMs }) });
    },
    async records(count) {
      let rows: UsageRow[] = [];
      const read = async () => {
        while (rows.length < count) rows = (await app.manage("GET", "/requests?page_size=100")).json.requests;
      };
      await within(read(), DEADLINE_MS, () => `${count} usage records, only ${rows.length}`);
      return rows.toReversed();
    },
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** The bytes of a request that says `Connection: close`. */
export function requestBytes(target: string, request: LabRequest): Buffer {
  const { method = "GET", headers = [], body, token = "" } = request;
  const lines: (readonly [string, string])[] = [];
  const has = (name: string) => headers.some(([key]) => key.toLowerCase() === name);
  if (!has("host")) lines.push(["Host", "proxy.example"]);
  if (token !== "") lines.push(["Authorization", `Bearer ${token}`]);
  if (body !== undefined && !has("content-length") && !has("transfer-encoding"))
    lines.push(["Content-Length", String(toBuffer(body).length)]);
  lines.push(...headers);
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${head}\r\n`, "latin1"),
    toBuffer(body ?? ""),
  ]);
}

/** Body of an answer as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export function jsonOf(response: RawResponse): any {
  return JSON.parse(response.body.text());
}
