import { expect, test } from "bun:test";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { headerValue, headerValues } from "../harness/http-message.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { connectRaw, type RawClient } from "../harness/raw-client.ts";
import type { ReceivedRequest, Step } from "../harness/upstream-connection.ts";
import {
  chunk,
  event,
  fin,
  head,
  hold,
  pause,
  readBody,
  reply,
  replySse,
  reset,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { requestBytes, type UsageRow } from "../proxy/lab.ts";
import { createRandom, type Random } from "./random.ts";
import { newSeed } from "./run.ts";

// Everything goes wrong at once, and at the end the books balance.

const requestsInAll = 1_500;
const requestsAtOnce = 40;
const requestsAllowed = 60;
const hangUpChance = 0.3;
const spareDescriptors = 8;
const refusedKey = "sk-a-key-that-the-provider-refuses";

/** For the provider `lab`; the silence of some answers is longer. */
const timeouts = "    timeouts: {response_header: 600ms, stream_idle: 600ms}\n";
const tooLarge = `${head(413, [
  ["Connection", "close"],
  ["Content-Length", "5"],
])}early`;

/** Whose request it is. */
type Holder = "free" | "limited" | "pooled" | "refused" | "unknown";

const holders: readonly Holder[] = ["free", "free", "free", "limited", "pooled", "refused", "unknown"];

interface Sent {
  readonly id: string;
  readonly holder: Holder;
  /** Of the answer; undefined where none came. */
  readonly status: number | undefined;
}

test.each([1_311, newSeed()])(
  "after pauses, resets, cut streams and hang-ups every request has one outcome; seed %d",
  async (seed) => {
    const random = createRandom(seed);
    await using upstream = await startFakeUpstream();
    upstream.answer((request) => badly(request, random));
    await using proxy = await startProxy({
      upstream: upstream.origin,
      providers: timeouts,
      env: { LOG_LEVEL: "debug" },
    });
    const tokens = await issueTokens(proxy);
    const openAtStart = proxy.openFiles();

    const sent = await sendAll(random, (id, holder) =>
      sendOne({ proxy, upstream, random }, tokens[holder].text, { id, holder }),
    );
    for (const connection of upstream.connections) connection.destroy();

    await settled(async () => gauge(await metricsOf(proxy), "requests_in_flight") === 0);
    const metrics = await metricsOf(proxy);
    expect(gauge(metrics, "requests_in_flight")).toBe(0);
    expect(gauge(metrics, "active_streams")).toBe(0);
    expect(gauge(metrics, "unhandled_errors_total")).toBe(0);
    await settled(() => Promise.resolve(proxy.openFiles() <= openAtStart + spareDescriptors));
    expect(proxy.openFiles()).toBeLessThanOrEqual(openAtStart + spareDescriptors);
    expect((await fetch(`${proxy.origin}/ready`)).status).toBe(200);

    const counted = sum(metrics, "http_requests_total");
    expect(sum(metrics, "request_outcomes_total")).toBe(counted);
    const readStarted = () => idsInLog(proxy, (message) => message === "request started");
    const readEnded = () => idsInLog(proxy, (message) => message.startsWith("request completed"));
    await settled(() => Promise.resolve(readStarted().length >= counted && readEnded().length >= counted));
    const started = readStarted();
    await settled(async () => (await recordsOf(proxy)).length >= knownAmong(started, sent).length);
    const records = await recordsOf(proxy);
    expect(readEnded().toSorted()).toEqual(started.toSorted());
    expect(started).toHaveLength(counted);
    expect(new Set(started).size).toBe(started.length);
    expect(records.map((record) => record.request_id).toSorted()).toEqual(
      knownAmong(started, sent).toSorted(),
    );

    // nothing that anybody has seen of a request is missing in the books
    const answered = sent.filter(({ status }) => status !== undefined).map(({ id }) => id);
    expect(answered.filter((id) => !started.includes(id))).toEqual([]);
    expect([...idsAtProvider(upstream)].filter((id) => !started.includes(id))).toEqual([]);

    await expectCounted(proxy, upstream, { tokenId: tokens.limited.id, sent, records });
    expect([...new Set(records.map(({ outcome }) => outcome))].sort()).toEqual([
      "client_cancelled",
      "complete",
      "refused",
      "upstream_cut",
      "upstream_error",
      "upstream_timeout",
    ]);
  },
  60_000,
);

type Tokens = Readonly<Record<Holder, { readonly text: string; readonly id: string }>>;

/** Tokens without limit and with one, of a project with a bad key beside a good one, of one with a bad key, of nobody. */
async function issueTokens(proxy: ProxyProcess): Promise<Tokens> {
  const issue = async (projectId: string, fields = {}) => {
    const { token, id } = await proxy.newToken(projectId, fields);
    return { text: String(token), id: String(id) };
  };
  const { id } = await proxy.newProject();
  const refused = await proxy.newProject({ api_key: refusedKey });
  const pooled = await proxy.newProject({ api_key: refusedKey });
  await proxy.manage("POST", `/projects/${pooled.id}/keys`, { provider: "lab", api_key: proxy.providerKey });
  const free = await issue(id);
  return {
    free,
    limited: await issue(id, { max_requests: requestsAllowed }),
    pooled: await issue(pooled.id),
    refused: await issue(refused.id),
    unknown: { text: `${free.text.slice(0, -1)}${free.text.endsWith("0") ? "1" : "0"}`, id: "" },
  };
}

async function sendAll(
  random: Random,
  send: (id: string, holder: Holder) => Promise<Sent>,
): Promise<readonly Sent[]> {
  const sent: Sent[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < requestsInAll) {
      const id = `chaos-${next++}`;
      sent.push(await send(id, random.pick(holders)));
    }
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, work));
  return sent;
}

interface Scene {
  readonly proxy: ProxyProcess;
  readonly upstream: FakeUpstream;
  readonly random: Random;
}

/** Sends one request, and goes away in the middle of it now and then. */
async function sendOne(
  { proxy, upstream, random }: Scene,
  token: string,
  { id, holder }: { readonly id: string; readonly holder: Holder },
): Promise<Sent> {
  using client = await connectRaw(proxy.port);
  const body = Buffer.alloc(random.pick([2, 2_000, 200_000, 1_500_000]), "b");
  const bytes = requestBytes(`/v1/chaos/${id}`, {
    method: "POST",
    token,
    body,
    headers: [["X-Request-ID", id]],
  });
  // whether a limited token is charged is certain only once the request was forwarded or answered
  const mayLeaveEarly = holder !== "limited";
  if (!random.chance(hangUpChance)) {
    const [response] = await Promise.all([
      client.response({ method: "POST", deadlineMs: 15_000 }),
      client.send(bytes),
    ]);
    const isAnswered = !Number.isNaN(response.status);
    return { id, holder, status: isAnswered ? response.status : undefined };
  }
  const length = mayLeaveEarly && random.chance(0.3) ? random.between(1, bytes.length - 1) : bytes.length;
  const isWhole = length === bytes.length;
  const sending = client.send(bytes.subarray(0, length));
  if (isWhole) await sending;
  if (!mayLeaveEarly) await settled(() => isForwardedOrAnswered(upstream, client, id));
  await leaveAfter(client, random);
  return { id, holder, status: undefined };
}

function isForwardedOrAnswered(upstream: FakeUpstream, client: RawClient, id: string): Promise<boolean> {
  return Promise.resolve(client.arrivals.length > 0 || idsAtProvider(upstream).has(id));
}

async function leaveAfter(client: RawClient, random: Random): Promise<void> {
  await Bun.sleep(random.between(0, 60));
  if (random.chance(0.5)) client.close();
  else client.reset();
}

/** What a provider does on its worst day; a key that it does not know is refused first. */
function badly(request: ReceivedRequest, random: Random): readonly Step[] {
  if (headerValue(request.headers, "authorization")?.includes(refusedKey))
    return reply(401, [["Content-Type", "application/json"]], "{}");
  const wait = pause(random.pick([0, 0, 5, 30, 100]));
  const events = random.list(1, 20, (n) => event({ n }));
  const chunks = events.flatMap((bytes) => [write(chunk(bytes)), pause(random.between(0, 10))]);
  const part = chunks.slice(0, random.between(1, chunks.length));
  const json = Buffer.alloc(random.pick([2, 5_000, 400_000]), "j");
  const partOfJson = write(head(200, [["Content-Length", String(json.length)]]), json.subarray(1));
  return random.pick<readonly Step[]>([
    [wait, ...reply(200, [["Content-Type", "application/json"]], json)],
    [wait, ...reply(random.pick([400, 429, 500, 503]), [], "{}")],
    [wait, ...replySse(events, random.between(0, 10))],
    [readBody(), wait, write(sseHead()), ...part, pause(5), fin()],
    [readBody(), wait, write(sseHead()), ...part, reset()],
    [readBody(), wait, partOfJson, pause(5), random.pick([fin(), reset()])],
    [readBody(random.pick([1, 1_000_000])), wait, reset()],
    [readBody(), hold()],
    [readBody(), write(sseHead()), ...part, hold()],
    [readBody(1), write(tooLarge), pause(50), fin()],
  ]);
}

/** Waits until it is so, for 10 s at the most: the check behind it tells what is not. */
async function settled(isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + 10_000;
  while (!(await isSo()) && performance.now() < giveUpAtMs) await Bun.sleep(20);
}

async function metricsOf(proxy: ProxyProcess): Promise<string> {
  return await (await fetch(`${proxy.origin}/metrics/prometheus`)).text();
}

function gauge(metrics: string, name: string): number {
  return Number(new RegExp(`^llm_proxy_${name} (\\S+)$`, "m").exec(metrics)?.[1]);
}

/** Of all label sets. */
function sum(metrics: string, name: string): number {
  const lines = metrics.matchAll(new RegExp(`^llm_proxy_${name}\\{.*\\} (\\S+)$`, "gm"));
  return [...lines].reduce((total, [, value]) => total + Number(value), 0);
}

async function recordsOf(proxy: ProxyProcess): Promise<readonly UsageRow[]> {
  const rows: UsageRow[] = [];
  for (let page = 1, hasNext = true; hasNext; page++) {
    const { json } = await proxy.manage("GET", `/requests?page_size=100&page=${page}`);
    rows.push(...json.requests);
    hasNext = json.pagination.has_next;
  }
  return rows;
}

/** Ids of our requests among the log lines, one for each line. */
function idsInLog(proxy: ProxyProcess, isWanted: (message: string) => boolean): string[] {
  return proxy
    .stdout()
    .split("\n")
    .filter((line) => line.includes('"chaos-'))
    .map((line) => JSON.parse(line))
    .filter(
      (line) => String(line.path).startsWith("/v1/chaos/") && isWanted(String(line.message ?? line.msg)),
    )
    .map((line) => String(line.request_id));
}

/** Those whose token is known: of the others there is no record. */
function knownAmong(ids: readonly string[], sent: readonly Sent[]): readonly string[] {
  const unknown = new Set(sent.filter(({ holder }) => holder === "unknown").map(({ id }) => id));
  return ids.filter((id) => !unknown.has(id));
}

function idsAtProvider({ requests }: FakeUpstream): Set<string> {
  return new Set(requests.flatMap(({ headers }) => headerValues(headers, "x-request-id")));
}

/** A limited token is charged for exactly what was forwarded, and never for more than its limit. */
async function expectCounted(
  proxy: ProxyProcess,
  upstream: FakeUpstream,
  { tokenId, sent, records }: { tokenId: string; sent: readonly Sent[]; records: readonly UsageRow[] },
): Promise<void> {
  const { json } = await proxy.manage("GET", `/tokens/${tokenId}`);
  const own = records.filter((record) => record.token_id === tokenId);
  const refused = own.filter(({ outcome }) => outcome === "refused");
  const limited = new Set(sent.filter(({ holder }) => holder === "limited").map(({ id }) => id));
  const forwarded = [...idsAtProvider(upstream)].filter((id) => limited.has(id));
  expect(refused.every(({ status }) => status === 429)).toBe(true);
  expect([json.request_count, own.length - refused.length]).toEqual([requestsAllowed, requestsAllowed]);
  expect(forwarded).toHaveLength(requestsAllowed);
}
