import { describe, expect, test } from "bun:test";
import { connectRaw } from "../harness/raw-client.ts";
import type { Step } from "../harness/upstream-connection.ts";
import {
  chunk,
  event,
  flood,
  head,
  hold,
  pause,
  readBody,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes } from "./lab.ts";

/** Sends a request over a connection that the test goes on with. */
async function start(lab: Lab, target = "/v1/chat/completions") {
  const client = await connectRaw(lab.app.port);
  await client.send(requestBytes(target, { method: "POST", token: lab.token, body: '{"stream":true}' }));
  return client;
}

const goings: ["close" | "reset"][] = [["close"], ["reset"]];

describe("a client that goes away takes the provider's connection with it (TMO-103)", () => {
  const moments: [string, readonly Step[], string | undefined][] = [
    ["before the headers", [readBody(), hold()], undefined],
    ["after the headers of a stream", [readBody(), write(sseHead(), chunk(event(1))), hold()], "data: 1"],
    [
      "in a stream",
      [
        readBody(),
        write(sseHead()),
        ...Array.from({ length: 500 }, (_, n) => [write(chunk(event(n))), pause(20)]).flat(),
      ],
      "data: 3",
    ],
    ["in a flood", [readBody(), write(head(200, [["Content-Type", "audio/mpeg"]])), flood(1 << 30)], "fff"],
    [
      "in a body with a length",
      [readBody(), write(head(200, [["Content-Length", "100"]]), "1234"), hold()],
      "1234",
    ],
  ];
  for (const [moment, steps, text] of moments) {
    test.each(goings)(`${moment}, by %s`, async (going) => {
      await using lab = await openLab();
      lab.upstream.answer(() => steps);
      using client = await start(lab);
      const { connection } = await lab.upstream.nextRequest();
      if (text !== undefined) await client.until(text);
      const leftAtMs = performance.now();
      client[going]();
      const close = await connection.closed(3_000);
      expect(close.by).toBe("peer");
      expect(close.atMs - leftAtMs).toBeLessThan(750);
    });
  }

  test("its usage record says so, with what had passed, and nothing is under way any more", async () => {
    await using lab = await openLab();
    lab.upstream.answer([readBody(), write(sseHead(), chunk(event("hello"))), hold()]);
    using client = await start(lab);
    const { connection } = await lab.upstream.nextRequest();
    await client.until("hello");
    client.close();
    await connection.closed();
    const [record] = await lab.records(1);
    expect(record).toMatchObject({
      outcome: "client_cancelled",
      status: 200,
      stream: true,
      response_bytes: event("hello").length,
    });
    const metrics = await (await fetch(`${lab.app.origin}/metrics/prometheus`)).text();
    expect(metrics).toMatch(/^llm_proxy_requests_in_flight 0$/m);
    expect(metrics).toMatch(/^llm_proxy_active_streams 0$/m);
  });

  test("before the headers it is recorded as 499", async () => {
    await using lab = await openLab();
    lab.upstream.answer([readBody(), hold()]);
    using client = await start(lab);
    const { connection } = await lab.upstream.nextRequest();
    client.close();
    await connection.closed();
    const [record] = await lab.records(1);
    expect(record).toMatchObject({
      outcome: "client_cancelled",
      status: 499,
      error_code: "client_cancelled",
    });
  });

  test("a client that leaves in the middle of its own upload leaves no request behind", async () => {
    await using lab = await openLab();
    using client = await connectRaw(lab.app.port);
    const length: readonly [string, string] = ["Content-Length", String(8 << 20)];
    await client.send(
      requestBytes("/v1/files", { method: "POST", token: lab.token, headers: [length] }),
      Buffer.alloc(1 << 20),
    );
    const request = await lab.upstream.nextRequest();
    client.close();
    await request.connection.closed();
    expect(request.body.complete).toBe(false);
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
  using client = await start(lab, "/v1/audio/speech");
  const { connection } = await lab.upstream.nextRequest();
  await client.until("fff");
  client.stopReading();
  let sent = -1;
  while (connection.bytesSent !== sent) {
    sent = connection.bytesSent;
    await Bun.sleep(250);
  }
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
