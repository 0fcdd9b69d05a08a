import { describe, expect, test } from "bun:test";
import { within } from "../harness/mailbox.ts";
import { connectRaw, type RawClient } from "../harness/raw-client.ts";
import type { Step } from "../harness/upstream-connection.ts";
import {
  chunk,
  event,
  flood,
  head,
  hold,
  pause,
  readBody,
  reply,
  replyJson,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes } from "./lab.ts";

/** 250 ms, with the factor for machines that are busy. */
const closeMsMax = 750;

const again = `  again:
    base_url: $UPSTREAM
    allowed_methods: [POST]
    allowed_endpoints: ["/*"]
    retries: {max: 1, on_status: [429]}
`;

/** The ways to leave: in order both ways, with its own side only, and by RST. */
const goings = ["close", "fin", "reset"] as const;

/** Where a request stands when its client leaves. */
interface Moment {
  readonly name: string;
  /** Provider; the default is the lab's, which does not retry. */
  readonly provider?: string;
  readonly answers: readonly (readonly Step[])[];
  /** Body bytes that are announced, and that are sent. */
  readonly upload?: readonly [number, number];
  /** Text that has come when the client leaves. */
  readonly text?: string;
  readonly stopsReading?: boolean;
  readonly record: { readonly status: number; readonly bytesMin: number };
}

const events = Array.from({ length: 500 }, (_, n) => [write(chunk(event(n))), pause(20)]).flat();
const audio = write(head(200, [["Content-Type", "audio/mpeg"]]));

const moments: readonly Moment[] = [
  {
    name: "in its own upload",
    answers: [[readBody(), hold()]],
    upload: [8 << 20, 1 << 20],
    record: { status: 499, bytesMin: 0 },
  },
  { name: "before the headers", answers: [[readBody(), hold()]], record: { status: 499, bytesMin: 0 } },
  {
    name: "after the first event of a stream",
    answers: [[readBody(), write(sseHead(), chunk(event(1))), hold()]],
    text: "data: 1",
    record: { status: 200, bytesMin: event(1).length },
  },
  {
    name: "in a stream",
    answers: [[readBody(), write(sseHead()), ...events]],
    text: "data: 3",
    record: { status: 200, bytesMin: 4 * event(1).length },
  },
  {
    name: "in a flood",
    answers: [[readBody(), audio, flood(1 << 30)]],
    text: "fff",
    record: { status: 200, bytesMin: 1 },
  },
  {
    name: "as a reader that has stopped",
    answers: [[readBody(), audio, flood(1 << 30)]],
    text: "fff",
    stopsReading: true,
    record: { status: 200, bytesMin: 1 },
  },
  {
    name: "in a body with a length",
    answers: [[readBody(), write(head(200, [["Content-Length", "100"]]), "1234"), hold()]],
    text: "1234",
    record: { status: 200, bytesMin: 4 },
  },
  {
    name: "during a retry",
    provider: "again",
    answers: [reply(429, [["retry-after-ms", "1"]], "later"), [readBody(), hold()]],
    record: { status: 499, bytesMin: 0 },
  },
];

/** Brings a request to that moment. @returns the client, and the connection that the provider holds for it */
async function bring(lab: Lab, token: string, moment: Moment) {
  for (const steps of moment.answers) lab.upstream.answerNext(steps);
  const client = await connectRaw(lab.app.port);
  const [announced = 0, sent = 0] = moment.upload ?? [];
  const request = { method: "POST", token };
  if (moment.upload === undefined)
    await client.send(requestBytes("/v1/chat/completions", { ...request, body: '{"stream":true}' }));
  else {
    const headers = [["Content-Length", String(announced)]] as const;
    await client.send(requestBytes("/v1/files", { ...request, headers }), Buffer.alloc(sent));
  }
  let asked = await lab.upstream.nextRequest();
  for (let n = 1; n < moment.answers.length; n++) asked = await lab.upstream.nextRequest();
  if (moment.text !== undefined) await client.until(moment.text);
  if (moment.stopsReading) await stopReading(client, () => asked.connection.bytesSent);
  return { client, asked };
}

/** Stops, and waits until the provider is held back. */
async function stopReading(client: RawClient, bytesSent: () => number): Promise<number> {
  client.stopReading();
  let before = -1;
  while (bytesSent() !== before) {
    before = bytesSent();
    await Bun.sleep(250);
  }
  return before;
}

/** Waits until a gauge of ours shows that. @throws {Error} past the deadline of 5 s */
async function untilGauge(lab: Lab, line: string): Promise<void> {
  const read = async () => (await fetch(`${lab.app.origin}/metrics/prometheus`)).text();
  const look = async () => {
    while (!(await read()).split("\n").includes(line)) await Bun.sleep(10);
  };
  await within(look(), 5_000, () => line);
}

describe("a client that goes away takes the provider's connection with it (TMO-103)", () => {
  for (const moment of moments) {
    test.each(goings)(`${moment.name}, by %s`, async (going) => {
      // one place: the next request shows that it is free again
      await using lab = await openLab({ providers: again, env: { MAX_CONCURRENT_REQUESTS: "1" } });
      const project = await lab.app.newProject({ provider: moment.provider ?? "lab" });
      const { token } = await lab.app.newToken(project.id);
      const { client, asked } = await bring(lab, token, moment);
      using _ = client;

      const leftAtMs = performance.now();
      client[going]();
      const close = await asked.connection.closed(3_000);
      expect(close.by).toBe("peer");
      expect(close.atMs - leftAtMs).toBeLessThan(closeMsMax);
      expect(asked.body.complete).toBe(moment.upload === undefined);

      await untilGauge(lab, "llm_proxy_requests_in_flight 0");
      await untilGauge(lab, "llm_proxy_active_streams 0");
      const [record] = await lab.records(1);
      expect(record).toMatchObject({ outcome: "client_cancelled", status: moment.record.status });
      expect(record?.response_bytes).toBeGreaterThanOrEqual(moment.record.bytesMin);
      lab.upstream.answer(replyJson({}));
      expect((await lab.call("/v1/models")).status).toBe(200);
    });
  }

  test("by SIGKILL of its process", async () => {
    await using lab = await openLab();
    lab.upstream.answer([readBody(), write(sseHead()), ...events]);
    const script = `const answer = await fetch(process.argv[1], { headers: { authorization: process.argv[2] } });
      let text = "";
      for await (const bytes of answer.body) {
        text += Buffer.from(bytes);
        if (text.includes("data: 5")) console.log("five");
      }`;
    const url = `${lab.app.origin}/v1/chat/completions`;
    const client = Bun.spawn([process.execPath, "-e", script, url, `Bearer ${lab.token}`], {
      stdout: "pipe",
    });
    const asked = await lab.upstream.nextRequest();
    for await (const _ of client.stdout) break;
    const leftAtMs = performance.now();
    client.kill("SIGKILL");
    const close = await asked.connection.closed(3_000);
    expect(close.by).toBe("peer");
    expect(close.atMs - leftAtMs).toBeLessThan(closeMsMax);
    const [record] = await lab.records(1);
    expect(record).toMatchObject({ outcome: "client_cancelled", status: 200, stream: true });
    expect(record?.response_bytes).toBeGreaterThanOrEqual(6 * event(1).length);
  });

  test("in the upload of a short body, of which the provider hears nothing", async () => {
    await using lab = await openLab();
    using client = await connectRaw(lab.app.port);
    const length: readonly [string, string] = ["Content-Length", "1000"];
    const request = requestBytes("/v1/chat/completions", {
      method: "POST",
      token: lab.token,
      headers: [length],
    });
    await client.send(request, "{");
    await untilGauge(lab, "llm_proxy_requests_in_flight 1");
    client.close();
    await untilGauge(lab, "llm_proxy_requests_in_flight 0");
    expect((await lab.records(1))[0]).toMatchObject({ outcome: "client_cancelled", status: 499 });
    expect(lab.upstream.requests.length).toBe(0);
  });
});

test("a reader that stops holds the provider back (TMO-104)", async () => {
  await using lab = await openLab();
  const bytes = 512 << 20;
  lab.upstream.answer([
    readBody(),
    write(
      head(200, [
        ["Content-Type", "audio/mpeg"],
        ["Content-Length", String(bytes)],
      ]),
    ),
    flood(bytes),
  ]);
  using client = await connectRaw(lab.app.port);
  await client.send(requestBytes("/v1/audio/speech", { method: "POST", token: lab.token, body: "{}" }));
  const { connection } = await lab.upstream.nextRequest();
  await client.until("fff");
  const sent = await stopReading(client, () => connection.bytesSent);
  expect(sent).toBeLessThan(64 << 20);
  client.resumeReading();
  const goesOn = async () => {
    while (connection.bytesSent < sent + (1 << 20)) await Bun.sleep(10);
  };
  await goesOn();
  client.close();
  expect((await connection.closed()).by).toBe("peer");
});

test("a provider that answers before it has read the upload is heard (BOD-106)", async () => {
  await using lab = await openLab();
  const answer = `HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 15\r\n\r\n{"error":"big"}`;
  lab.upstream.answer([readBody(65_536), write(answer), pause(200), (link) => link.fin()]);
  const got = await lab.call("/v1/files", { body: Buffer.alloc(20 << 20) });
  expect([got.status, got.body.text()]).toEqual([413, '{"error":"big"}']);
});
