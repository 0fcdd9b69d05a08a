import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Headers, headerValue, headerValues } from "../harness/http-message.ts";
import { chunk, event, head, readBody, reply, sseHead, write } from "../harness/upstream-steps.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
beforeAll(async () => {
  // Whatever order they come in, the bad ones must not open the circuit for the others.
  lab = await openLab({ env: { CIRCUIT_BREAKER_THRESHOLD: "0" } });
});
afterAll(() => lab[Symbol.asyncDispose]());

describe("statuses", () => {
  const statuses = [
    400, 401, 403, 404, 408, 409, 413, 415, 418, 422, 429, 499, 500, 502, 503, 504, 520, 529, 599,
  ];
  test.each(statuses)("%d from the provider is handed on as it came (HTP-106)", async (status) => {
    for (const [type, body] of [
      ["application/json", '{ "error" :{"message":"theirs"}}'],
      ["text/html", "<h1>no</h1>"],
      ["text/plain", ""],
    ] as const) {
      const headers: Headers = [
        ["Content-Type", type],
        ["Retry-After", "7"],
        ["retry-after-ms", "250"],
        ["x-request-id", "req_theirs"],
      ];
      lab.upstream.answerNext(reply(status, headers, body));
      const answer = await lab.call("/v1/chat/completions", { body: "{}" });
      expect([answer.status, answer.body.text(), headerValue(answer.headers, "content-type")]).toEqual([
        status,
        body,
        type,
      ]);
      expect(headerValue(answer.headers, "retry-after")).toBe("7");
      expect(headerValue(answer.headers, "retry-after-ms")).toBe("250");
      expect(headerValue(answer.headers, "x-request-id")).toBe("req_theirs");
      expect(headerValues(answer.headers, "x-llm-proxy-error")).toEqual([]);
    }
  });

  test.each([204, 304])("%d has no body and no framing for one", async (status) => {
    lab.upstream.answerNext([readBody(), write(head(status, [["ETag", '"x"']]))]);
    const answer = await lab.call("/v1/models");
    expect([answer.status, answer.complete, answer.body.length]).toEqual([status, true, 0]);
    expect(headerValue(answer.headers, "etag")).toBe('"x"');
    expect(headerValues(answer.headers, "transfer-encoding")).toEqual([]);
  });

  test("HEAD arrives as HEAD and has no body (HTP-116)", async () => {
    lab.upstream.answerNext([
      readBody(),
      write(
        head(200, [
          ["Content-Type", "application/json"],
          ["Content-Length", "1234"],
        ]),
      ),
    ]);
    const answer = await lab.call("/v1/models", { method: "HEAD" });
    expect([answer.status, answer.complete]).toEqual([200, true]);
    expect(lab.upstream.requests.at(-1)?.method).toBe("HEAD");
    expect(headerValue(answer.headers, "content-length")).toBe("1234");
  });

  test("informational answers before the real one are dropped, and a stream behind them passes (HTP-109)", async () => {
    const early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    const real = ["HTTP/1.1 100 Continue\r\n\r\n", sseHead(), chunk(event(1)), chunk("")];
    lab.upstream.answerNext([readBody(), write(early, early, ...real)]);
    const answer = await lab.call("/v1/models", { body: "{}" });
    expect([answer.status, answer.interim.length, answer.complete]).toEqual([200, 0, true]);
    expect(answer.body.text()).toBe(event(1));
    expect(headerValues(answer.headers, "link")).toEqual([]);
  });

  const broken: [string, string][] = [
    ["no HTTP at all", "hello\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 99 x\r\n\r\n"],
    ["a status below all answers", "HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n"],
    ["a status past all classes", "HTTP/1.1 600 x\r\nContent-Length: 0\r\n\r\n"],
    [
      "101 that nobody asked for (HTP-109)",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
  ];
  test.each(broken)("%s is a 502 (TMO-105)", async (_, bytes) => {
    lab.upstream.answerNext([readBody(), write(bytes), (link) => link.fin()]);
    const answer = await lab.call("/v1/chat/completions", { body: "{}" });
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([502, "bad_gateway"]);
  });
});
