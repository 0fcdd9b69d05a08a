import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue } from "../harness/http-message.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { connectRaw, type RawClient, type RawResponse } from "../harness/raw-client.ts";
import { evenOut } from "./allowed.ts";
import type { Facts } from "./even.ts";
import { answerSteps, caseField, type FuzzCase, requestWrites } from "./fuzz-case.ts";
import { differences, type View, viewOf } from "./view.ts";

/** The binary between a fake provider and us, with a second way that goes round it. */
export interface Bench extends AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly proxy: ProxyProcess;
  readonly token: string;
  /** Runs a case both ways and tells what is different beyond what is allowed. */
  run(fuzzCase: FuzzCase, lines: Lines): Promise<string[]>;
}

/** The connections of one worker, used again as long as they can be. */
export interface Lines extends Disposable {
  client(port: number): Promise<RawClient>;
  drop(port: number): void;
}

/** @param via for a test: gives the port that stands in front of the proxy's */
export async function openBench(
  via: (port: number) => Promise<number> = (port) => Promise.resolve(port),
): Promise<Bench> {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startFakeUpstream());
  const proxy = stack.use(await startProxy({ upstream: upstream.origin, env: { LOG_LEVEL: "error" } }));
  const { id } = await proxy.newProject();
  const { token } = await proxy.newToken(id);
  const port = await via(proxy.port);
  const facts: Facts = { providerKey: proxy.providerKey, upstreamHost: `127.0.0.1:${upstream.port}` };
  const running = new Map<string, FuzzCase>();
  let count = 0;
  upstream.answer((request) => {
    const fuzzCase = running.get(headerValue(request.headers, caseField) ?? "");
    if (fuzzCase === undefined) throw new Error(`A request that nobody sent: ${request.headBytes}`);
    return answerSteps(fuzzCase.answer, request.method);
  });

  async function exchange(fuzzCase: FuzzCase, lines: Lines, to: number): Promise<View> {
    const { method } = fuzzCase.request;
    const key = String(count++);
    const before = upstream.requests.length;
    running.set(key, fuzzCase);
    const client = await lines.client(to);
    const own = [
      ["Host", "proxy.example"],
      ["Authorization", `Bearer ${token}`],
      [caseField, key],
    ] as const;
    const writes = requestWrites(fuzzCase.request, own);
    const [response] = await Promise.all([client.response({ method }), client.send(...writes)]);
    if (!canGoOn(response) || (to === upstream.port && !staysOpen(fuzzCase.answer))) lines.drop(to);
    const received = upstream.requests
      .slice(before)
      .filter(({ headers }) => headerValue(headers, caseField) === key);
    running.delete(key);
    return viewOf(received, response);
  }

  return {
    upstream,
    proxy,
    token,
    async run(fuzzCase, lines) {
      const direct = await exchange(fuzzCase, lines, upstream.port);
      const proxied = await exchange(fuzzCase, lines, port);
      const even = evenOut({ direct, proxied }, facts);
      return differences(even.direct, even.proxied);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function canGoOn({ ending, headers }: RawResponse): boolean {
  const isLast = headers.some(([name, value]) => name.toLowerCase() === "connection" && /close/i.test(value));
  return ending === "complete" && !isLast;
}

/** Whether the fake upstream keeps the connection. */
function staysOpen({ framing, end }: FuzzCase["answer"]): boolean {
  return framing !== "close" && end === "whole";
}

/** No connections yet. */
export function openLines(): Lines {
  const clients = new Map<number, RawClient>();
  const drop = (port: number): void => {
    clients.get(port)?.close();
    clients.delete(port);
  };
  return {
    async client(port) {
      const open = clients.get(port) ?? (await connectRaw(port));
      clients.set(port, open);
      return open;
    },
    drop,
    [Symbol.dispose]: () => [...clients.keys()].forEach(drop),
  };
}
