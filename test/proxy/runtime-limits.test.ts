import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { type Headers, headerValue, headerValues } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { chunk, fin, head, pause, readBody, reply, sseHead, write } from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes } from "./lab.ts";

// The evidence of docs/limits.md: what the runtime changes or refuses by itself. Where one of these fails after an
// upgrade of the runtime, the page has to follow.

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

const atProvider = (name: string) => headerValues(lab.upstream.requests.at(-1)!.headers, name);

describe("requests", () => {
  test("User-Agent and Accept are added where the client sent none (HTP-114)", async () => {
    await lab.call("/v1/models");
    expect(atProvider("user-agent")).toEqual([`Bun/${Bun.version}`]);
    expect(atProvider("accept")).toEqual(["*/*"]);
    expect(atProvider("accept-encoding")).toEqual([]);
  });

  test("fields that come twice are joined, and the order of fields is not kept", async () => {
    const headers: Headers = [
      ["X-B", "1"],
      ["Accept-Language", "en"],
      ["x-b", "2"],
    ];
    await lab.call("/v1/models", { headers });
    expect(atProvider("x-b")).toEqual(["1, 2"]);
    expect(atProvider("accept-language")).toEqual(["en"]);
  });

  const targets: [string, string][] = [
    ['/v1/a"b', "/v1/a%22b"],
    ["/v1/<>", "/v1/%3C%3E"],
    ["/v1/^`{}|", "/v1/%5E%60%7B%7D|"],
    ["/v1/a\\b", "/v1/a/b"],
    ["/v1/\xe9", "/v1/%EF%BF%BD"],
    ["/v1/./x", "/v1/x"],
    ["/v1/y/../x", "/v1/x"],
    ["/v1/%2e%2e/x", "/x"],
    ["/v1/x?a=\"<>'", "/v1/x?a=%22%3C%3E%27"],
    ["/v1/x?a#fragment", "/v1/x?a"],
    ["http://other.example/v1/x?a", "/v1/x?a"],
  ];
  test.each(targets)("the target %s arrives as %s", async (sent, arrived) => {
    expect((await lab.call(sent)).status).toBe(200);
    expect(lab.upstream.requests.at(-1)?.target).toBe(arrived);
  });

  test("from 64 KiB or about 200 lines of headers on, the answer is a bare 431 (HTP-112)", async () => {
    const before = lab.upstream.requests.length;
    const tooLarge: Headers[] = [
      [["x-long", "v".repeat(64 << 10)]],
      [["x-long", "v".repeat(1 << 20)]],
      Array.from({ length: 300 }, (_, n) => [`x-many-${n}`, "v"] as const),
    ];
    for (const headers of tooLarge) {
      const answer = await lab.call("/v1/models", { headers });
      expect([answer.status, answer.body.length, headerValues(answer.headers, "x-llm-proxy-error")]).toEqual([
        431,
        0,
        [],
      ]);
    }
    expect(lab.upstream.requests).toHaveLength(before);
    expect((await lab.call("/v1/models")).status).toBe(200);
  });

  const refused: [string, string, Headers][] = [
    ["a control character in a field (SEC-107)", "GET", [["X-Request-ID", "a\x1b[2Jb"]]],
    ["a NUL in a field", "GET", [["X-A", "a\0b"]]],
    ["a field name with a blank", "GET", [["X A", "b"]]],
  ];
  test.each(refused)(
    "%s is refused before we hear of it, with 400 and a closed connection",
    async (_, method, headers) => {
      const before = lab.upstream.requests.length;
      const answer = await lab.call("/v1/models", { method, headers });
      expect([answer.status, answer.ending]).toEqual([400, "fin"]);
      expect(lab.upstream.requests).toHaveLength(before);
    },
  );

  test("an unknown method is not answered at all: the connection is closed", async () => {
    const answer = await lab.call("/v1/models", { method: "FROBNICATE" });
    expect([answer.ending, answer.headBytes.length]).toEqual(["fin", 0]);
  });

  test("trailers of a chunked request are refused with 400; the provider never gets a whole request", async () => {
    const before = lab.upstream.requests.length;
    const body = "A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n";
    const answer = await lab.call("/v1/files", {
      method: "POST",
      body,
      headers: [["Transfer-Encoding", "chunked"]],
    });
    expect(answer.status).toBe(400);
    expect(lab.upstream.requests.slice(before).filter((request) => request.body.complete)).toEqual([]);
  });

  test("a chunk extension of more than 16 KiB is refused with 413; a shorter one is taken off", async () => {
    const upload = (extension: number) =>
      lab.call("/v1/files", {
        method: "POST",
        body: `5;${"x".repeat(extension)}\r\nhello\r\n0\r\n\r\n`,
        headers: [["Transfer-Encoding", "chunked"]],
      });
    expect((await upload(16_000)).status).toBe(200);
    expect(lab.upstream.requests.at(-1)?.body.text()).toBe("hello");
    const before = lab.upstream.requests.length;
    const refused = await upload(17_000);
    expect([refused.status, refused.body.length, refused.ending]).toEqual([413, 0, "fin"]);
    expect(lab.upstream.requests.slice(before).filter(({ body }) => body.complete)).toEqual([]);
  });

  test("a client that does not wait for its answer, or ends its side, is hung up on", async () => {
    const request = requestBytes("/v1/models", { token: lab.token });
    using pipelining = await connectRaw(lab.app.port);
    await pipelining.send(Buffer.concat([request, request]));
    expect((await pipelining.response()).headBytes).toHaveLength(0);
    using ending = await connectRaw(lab.app.port);
    const sent = ending.send(request);
    ending.fin();
    await sent;
    expect((await ending.response()).headBytes).toHaveLength(0);
  });

  test("bytes beyond ASCII in a field pass unchanged (HTP-113)", async () => {
    for (const value of ["Caf\xe9", "Caf\xc3\xa9"]) {
      await lab.call("/v1/models", { headers: [["X-Title", value]] });
      expect(atProvider("x-title")).toEqual([value]);
    }
  });
});

describe("answers", () => {
  test("a body that is streamed goes out in chunks although the provider told its length (ENC-104)", async () => {
    const bytes = randomBytes(1 << 20);
    lab.upstream.answerNext(reply(200, [["Content-Type", "image/png"]], bytes));
    const answer = await lab.call("/v1/files/f/content");
    expect(headerValues(answer.headers, "content-length")).toEqual([]);
    expect(headerValue(answer.headers, "transfer-encoding")).toBe("chunked");
    expect([answer.complete, answer.body.length]).toEqual([true, bytes.length]);
  });

  test("the empty line that ends the headers goes out with the first byte of the body (STR-107)", async () => {
    lab.upstream.answerNext([
      readBody(),
      write(sseHead()),
      pause(200),
      write(chunk("data: 1\n\n"), chunk("")),
    ]);
    using client = await connectRaw(lab.app.port);
    await client.send(requestBytes("/v1/x", { method: "POST", token: lab.token, body: "{}" }));
    const answer = await client.response();
    const [first] = client.arrivals;
    const firstBodyAtMs = answer.body.arrivals[0]?.atMs ?? 0;
    expect(first?.bytes.toString()).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(first?.bytes.includes("\r\n\r\n")).toBe(false);
    expect(firstBodyAtMs - (first?.atMs ?? 0)).toBeGreaterThan(60);
    expect(answer.headAtMs).toBe(firstBodyAtMs);
  });

  test("what comes in the same instant as the cut of the connection may be lost with it (STR-105)", async () => {
    const events = ["data: 1\n\n", "data: 2\n\n"];
    lab.upstream.answerNext([readBody(), write(sseHead(), ...events.map(chunk)), fin()]);
    const answer = await lab.call("/v1/x", { body: "{}" });
    expect(answer.status === 502 || !answer.complete).toBe(true);
  });

  test("Date is added where the provider sent none", async () => {
    lab.upstream.answerNext(reply(200, [["Content-Type", "text/plain"]], "x"));
    expect(headerValue((await lab.call("/v1/models")).headers, "date")).toMatch(/GMT$/);
  });

  test("fields that come twice are joined, and trailers are dropped", async () => {
    const twice: Headers = [
      ["X-Dup", "a"],
      ["X-Dup", "b"],
      ["Transfer-Encoding", "chunked"],
    ];
    lab.upstream.answerNext([readBody(), write(head(200, twice), chunk("x"), "0\r\nX-Trailer: 1\r\n\r\n")]);
    const answer = await lab.call("/v1/models");
    expect(headerValues(answer.headers, "x-dup")).toEqual(["a, b"]);
    expect([answer.complete, answer.body.text()]).toEqual([true, "x"]);
    expect(answer.body.wire().toString()).not.toContain("Trailer");
  });

  test("the reason phrase becomes the standard one", async () => {
    lab.upstream.answerNext([readBody(), write("HTTP/1.1 200 Fine By Me\r\nContent-Length: 0\r\n\r\n")]);
    expect((await lab.call("/v1/models")).headBytes.toString()).toStartWith("HTTP/1.1 200 OK\r\n");
  });

  test("bytes beyond ASCII in a field pass unchanged (HTP-113)", async () => {
    const named = 'attachment; filename="\xe4\xbd\xa0.txt"';
    for (const value of ["caf\xe9", "caf\xc3\xa9", named]) {
      const lines = `X-Note: ${value}\r\nContent-Disposition: ${value}\r\nContent-Length: 0\r\n\r\n`;
      lab.upstream.answerNext([readBody(), write(Buffer.from(`HTTP/1.1 200 OK\r\n${lines}`, "latin1"))]);
      const { headers } = await lab.call("/v1/models");
      expect([headerValue(headers, "x-note"), headerValue(headers, "content-disposition")]).toEqual([
        value,
        value,
      ]);
    }
  });

  test("more than about 250 header lines are a 502", async () => {
    const lines: Headers = Array.from({ length: 300 }, (_, n) => [`x-many-${n}`, "v"]);
    lab.upstream.answerNext(reply(200, lines, "{}"));
    expect((await lab.call("/v1/models", { body: "{}" })).status).toBe(502);
  });

  test("a GET is sent once more where the provider closes a used connection without an answer; a POST is not", async () => {
    await lab.call("/v1/models");
    const before = lab.upstream.requests.length;
    lab.upstream.answerNext([readBody(), pause(5), fin()]);
    expect((await lab.call("/v1/models")).status).toBe(200);
    expect(lab.upstream.requests).toHaveLength(before + 2);
    lab.upstream.answerNext([readBody(), pause(5), fin()]);
    expect((await lab.call("/v1/models", { body: "{}" })).status).toBe(502);
    expect(lab.upstream.requests).toHaveLength(before + 3);
  });
});
