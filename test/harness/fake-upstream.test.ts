import { expect, test } from "bun:test";
import { type FakeUpstreamOptions, startFakeUpstream } from "./fake-upstream.ts";
import { headerValues } from "./http-message.ts";
import { localhostCertificate } from "./localhost-certificate.ts";
import { connectRaw, exchange } from "./raw-client.ts";
import {
  chunk,
  echo,
  event,
  fin,
  flood,
  head,
  hold,
  pause,
  readBody,
  replyJson,
  replySse,
  reset,
  sseHead,
  stopReading,
  write,
} from "./upstream-steps.ts";

const GET = "GET /v1/models?limit=2 HTTP/1.1\r\nHost: fake\r\n\r\n";
const start = (options?: FakeUpstreamOptions) => startFakeUpstream(options);

test("writes are separate segments with exactly the bytes of the script", async () => {
  const world = Buffer.from("F09F8C8D", "hex");
  const bytes = [...world].map((byte) => Buffer.of(byte));
  const steps = bytes.flatMap((byte) => [pause(40), write(byte)]);
  await using upstream = await start({ answer: [write(head(200, [["cOnTeNt-LeNgTh", "4"]])), ...steps] });

  const response = await exchange(upstream.port, GET);

  expect(response.headBytes.toString()).toBe("HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh: 4\r\n\r\n");
  expect(response.body.arrivals.map(({ bytes }) => bytes.toString("hex"))).toEqual(["f0", "9f", "8c", "8d"]);
  const times = [response.headAtMs ?? 0, ...response.body.arrivals.map(({ atMs }) => atMs)];
  for (const [at, time] of times.entries()) if (at > 0) expect(time - times[at - 1]!).toBeGreaterThan(30);
});

test("each kind of ending of an answer is told apart by the client", async () => {
  const part = [write(sseHead()), write(chunk("data: 1\n\n"))];
  const endings = {
    complete: [...part, write(chunk(""))],
    fin: [...part, fin()],
    reset: [...part, pause(20), reset()],
    timeout: [...part, hold()],
  };
  for (const [ending, answer] of Object.entries(endings)) {
    await using upstream = await start({ answer });
    const response = await exchange(upstream.port, GET, { deadlineMs: 200 });
    expect([response.ending, response.complete, response.body.text()]).toEqual([
      ending as typeof response.ending,
      ending === "complete",
      "data: 1\n\n",
    ]);
  }
});

test("a body that ends with its connection is whole after FIN and not after RST", async () => {
  await using upstream = await start();
  upstream.answerNext([write(head(200)), write("all"), fin()]);
  upstream.answerNext([write(head(200)), write("all"), pause(20), reset()]);
  expect((await exchange(upstream.port, GET)).complete).toBe(true);
  expect((await exchange(upstream.port, GET)).complete).toBe(false);
});

test("it tells whether the peer closed in order or reset", async () => {
  await using upstream = await start({ answer: [write(sseHead()), hold()] });
  for (const [leave, kind] of [
    ["close", "fin"],
    ["reset", "rst"],
  ] as const) {
    using client = await connectRaw(upstream.port);
    await client.send(GET);
    const request = await upstream.nextRequest();
    await client.until("\r\n\r\n");
    client[leave]();
    expect(await request.connection.closed()).toMatchObject({ by: "peer", kind });
  }
});

test("a peer that leaves in the middle of a flood ends the script", async () => {
  await using upstream = await start({ answer: [write(sseHead()), flood(1e12)] });
  using client = await connectRaw(upstream.port);
  await client.send(GET);
  const { connection } = await upstream.nextRequest();
  await client.until("event-stream");
  client.close();
  expect(await connection.closed()).toMatchObject({ by: "peer" });
});

test("its own close is recorded as its own", async () => {
  await using upstream = await start({ onAccept: [reset()] });
  using client = await connectRaw(upstream.port);
  expect((await client.response()).ending).toBe("reset");
  expect(await upstream.connections[0]?.closed()).toMatchObject({ by: "upstream", kind: "rst" });
});

test("several requests on one connection are answered and recorded apart", async () => {
  await using upstream = await start();
  using client = await connectRaw(upstream.port);
  const body = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n";
  await client.send(`POST /a HTTP/1.1\r\nHost: fake\r\nTransfer-Encoding: chunked\r\n\r\n${body}${GET}`);
  const first = JSON.parse((await client.response()).body.text());
  const second = JSON.parse((await client.response()).body.text());

  expect(first).toEqual({
    method: "POST",
    url: "/a",
    rawHeaders: ["Host", "fake", "Transfer-Encoding", "chunked"],
    sha256: new Bun.CryptoHasher("sha256").update("hello world").digest("hex"),
    length: 11,
  });
  expect(second).toMatchObject({ method: "GET", url: "/v1/models?limit=2", length: 0 });
  expect(upstream.connections.length).toBe(1);
  const [post, get] = upstream.requests;
  expect(post?.body.wire().toString()).toBe(body);
  expect(post?.body.text()).toBe("hello world");
  expect(get?.headBytes.toString()).toBe(GET);
});

test("a request can be seen before its body has come, and the body awaited", async () => {
  await using upstream = await start();
  using client = await connectRaw(upstream.port);
  const sending = client.send("PUT /up HTTP/1.1\r\nHost: fake\r\nContent-Length: 4\r\n\r\nab", 50, "cd");
  const request = await upstream.nextRequest();
  expect(request.body.complete).toBe(false);
  expect((await request.wholeBody()).text()).toBe("abcd");
  await sending;
});

test("what never comes fails with a message that says what was awaited", async () => {
  await using upstream = await start({ answer: [hold()] });
  await expect(upstream.nextRequest(20)).rejects.toThrow(
    "No request at the fake upstream (0 connections, 0 requests so far) within 20 ms",
  );
  using client = await connectRaw(upstream.port);
  await client.send("POST /x HTTP/1.1\r\nHost: fake\r\nContent-Length: 4\r\n\r\nab");
  const request = await upstream.nextRequest();
  await expect(request.wholeBody(20)).rejects.toThrow("No end of the body of POST /x within 20 ms");
  await expect(request.connection.closed(20)).rejects.toThrow("No close of connection 0");
  await expect(client.until("never", 20)).rejects.toThrow('No "never" from the server (connection: open)');
});

test("a peer that does not read holds the flood back, and it is known how much went out", async () => {
  await using upstream = await start({ answer: [write(head(200)), flood(1e9)] });
  using client = await connectRaw(upstream.port);
  client.stopReading();
  await client.send(GET);
  const { connection } = await upstream.nextRequest();
  await expect(connection.closed(300)).rejects.toThrow("No close");
  expect(connection.bytesSent).toBeWithin(1, 100e6);
});

test("an answer can go out while the body is still coming", async () => {
  const tooLarge = replyJson({ error: "too large" }, 413).slice(1);
  await using upstream = await start({
    answer: [readBody(65_536), stopReading(), ...tooLarge, pause(50), fin()],
  });
  using client = await connectRaw(upstream.port);
  const bodyBytes = 8 * 1024 * 1024;
  void client.send(
    `POST /x HTTP/1.1\r\nHost: fake\r\nContent-Length: ${bodyBytes}\r\n\r\n`,
    Buffer.alloc(bodyBytes),
  );
  expect((await client.response()).status).toBe(413);
  expect(upstream.requests[0]?.body.length).toBeWithin(65_536, bodyBytes);
});

test("interim answers are kept apart from the answer", async () => {
  const hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
  await using upstream = await start({ answer: [write(hints, hints, "HTTP/1.1 204 No Content\r\n\r\n")] });
  const response = await exchange(upstream.port, GET);
  expect([response.status, response.interim.length, response.ending]).toEqual([204, 2, "complete"]);
});

test("broken chunked coding is kept as bytes and reported", async () => {
  await using upstream = await start({ answer: [write(sseHead(), "FFFFFFFFFFFFFFFFF\r\nabc"), fin()] });
  const { body, complete } = await exchange(upstream.port, GET);
  expect([complete, body.broken, body.wire().toString()]).toEqual([
    false,
    'chunk size line "FFFFFFFFFFFFFFFFF"',
    "FFFFFFFFFFFFFFFFF\r\nabc",
  ]);
});

test("it speaks TLS with the given certificate", async () => {
  await using upstream = await start({ tls: localhostCertificate, answer: replySse([event({ a: 1 })]) });
  const response = await fetch(`${upstream.origin}/v1`, { tls: { ca: localhostCertificate.cert } });
  expect(await response.text()).toBe('data: {"a":1}\n\n');
  using client = await connectRaw(upstream.port, true);
  await client.send(GET);
  expect((await client.response()).body.text()).toBe('data: {"a":1}\n\n');
});

test("answers are chosen by request, and queued ones come first", async () => {
  await using upstream = await start({ answer: (request) => replyJson({ target: request.target }) });
  upstream.answerNext(replyJson('{ "raw" : 1.0 }', 503, [["Retry-After", "7"]]));
  const queued = await exchange(upstream.port, GET);
  expect([queued.status, queued.body.text()]).toEqual([503, '{ "raw" : 1.0 }']);
  expect(headerValues(queued.headers, "retry-after")).toEqual(["7"]);
  expect((await exchange(upstream.port, GET)).body.text()).toBe('{"target":"/v1/models?limit=2"}');
  upstream.answer(echo());
  expect((await exchange(upstream.port, GET)).body.text()).toContain('"method":"GET"');
});

test("a script that fails of itself fails the test that owns the upstream", async () => {
  const upstream = await start({
    answer: () => {
      throw new Error("broken script");
    },
  });
  expect((await exchange(upstream.port, GET)).ending).toBe("reset");
  await expect(upstream[Symbol.asyncDispose]()).rejects.toThrow("A script of the fake upstream failed");
});
