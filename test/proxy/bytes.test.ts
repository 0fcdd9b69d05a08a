import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { type Bytes, type Headers, headerValue, headerValues, toBuffer } from "../harness/http-message.ts";
import { chunk, head, readBody, reply, write } from "../harness/upstream-steps.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

const sha256 = (bytes: Bytes): string => createHash("sha256").update(toBuffer(bytes)).digest("hex");
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

const bodies: [string, string, Bytes][] = [
  ["JSON with odd spacing", "application/json", ' {\t"model" :"m" ,\r\n "messages":[ ] }\n'],
  ["duplicate keys", "application/json", '{"model":"a","model":"b","model":"a"}'],
  [
    "numbers that no double holds (JSN-101)",
    "application/json",
    '{"seed":9007199254740993,"id":25122920421210000012,"f":1.0,"e":1E+2,"n":-0,"big":1e400}',
  ],
  [
    "escapes beside raw UTF-8 (STR-113)",
    "application/json",
    '{"a":"\\u00e9 é \\/ / \\ud83c\\udf0d 🌍 北","b":"\\u0000"}',
  ],
  [
    "lone surrogates and broken UTF-8 (JSN-103)",
    "application/json",
    Buffer.from('{"a":"\\ud83d","b":"\xc3\x28\xff"}', "latin1"),
  ],
  [
    "unknown fields, nulls, empty arrays, z before a (JSN-102)",
    "application/json; charset=utf-8",
    `{"z":null,"y":[],"x":{},"stream_options":{"include_usage":false},${Array.from({ length: 60 }, (_, n) => `"u${n}":${n}`)}}\n`,
  ],
  ["not JSON at all", "application/json", "<html>"],
  [
    "multipart with another boundary inside (BOD-101)",
    'multipart/form-data; boundary="--x y:z"; charset=utf-8',
    Buffer.concat([
      Buffer.from(
        '----x y:z\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n----x y:z\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n',
      ),
      randomBytes(300_000),
      Buffer.from("\x00\xff\r\n--other--\r\n", "latin1"),
      Buffer.from("\r\n----x y:z--"),
    ]),
  ],
  ["every byte there is", "application/octet-stream", everyByte],
  ["3 MiB", "application/octet-stream", randomBytes(3 << 20)],
  ["one byte", "text/plain", "x"],
  ["a compressed body (ENC-106)", "application/json", Bun.gzipSync('{"model":"m"}')],
];

describe("request bodies arrive byte for byte", () => {
  test.each(bodies)("%s", async (_, type, body) => {
    const headers: Headers = [["Content-Type", type]];
    const answer = await lab.call("/v1/chat/completions", { headers, body });
    expect(answer.status).toBe(200);
    const request = lab.upstream.requests.at(-1)!;
    expect([request.method, request.body.sha256()]).toEqual(["POST", sha256(body)]);
    expect(headerValue(request.headers, "content-type")).toBe(type);
  });

  test("an upload in chunks of odd sizes, without a length (BOD-102)", async () => {
    const sizes = [1, 17, 4_096, 65_536, 1, 3, 262_144, 7];
    const pieces = sizes.map((size) => randomBytes(size));
    const body = Buffer.concat([...pieces.map(chunk), chunk("")]);
    const answer = await lab.call("/v1/files", {
      method: "POST",
      body,
      headers: [["Transfer-Encoding", "chunked"]],
    });
    expect(answer.status).toBe(200);
    const request = lab.upstream.requests.at(-1)!;
    expect([request.body.complete, request.body.sha256()]).toEqual([true, sha256(Buffer.concat(pieces))]);
  });

  test("chunk extensions, leading zeros and capital sizes do not become part of it (ENC-107)", async () => {
    const body = '00000A;ext="a;b"\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n';
    await lab.call("/v1/files", { method: "POST", body, headers: [["Transfer-Encoding", "chunked"]] });
    expect(lab.upstream.requests.at(-1)?.body.text()).toBe("01234567890123456789");
  });

  const empty: [string, string, Headers][] = [
    [
      "POST of length 0",
      "POST",
      [
        ["Content-Length", "0"],
        ["Content-Type", "application/json"],
      ],
    ],
    ["POST without a length", "POST", []],
    ["PATCH without a length", "PATCH", []],
    ["PUT of length 0", "PUT", [["Content-Length", "0"]]],
    ["DELETE without a length", "DELETE", []],
  ];
  test.each(empty)("%s has an empty body there as well (BOD-109)", async (_, method, headers) => {
    expect((await lab.call("/v1/threads", { method, headers })).status).toBe(200);
    const request = lab.upstream.requests.at(-1)!;
    expect([request.method, request.body.length, request.body.complete]).toEqual([method, 0, true]);
    expect(headerValues(request.headers, "transfer-encoding")).toEqual([]);
  });

  test("an empty chunked body is an empty one, not a hang (BOD-102)", async () => {
    const answer = await lab.call("/v1/files", {
      method: "POST",
      body: "0\r\n\r\n",
      headers: [["Transfer-Encoding", "chunked"]],
    });
    expect(answer.status).toBe(200);
    expect(lab.upstream.requests.at(-1)?.body.length).toBe(0);
  });
});

describe("answers arrive byte for byte", () => {
  const answers: [string, string, Bytes][] = [
    ...bodies,
    ["300 KiB, more than is read as a whole", "application/json", randomBytes(300 << 10)],
    ["audio (BOD-108)", "audio/mpeg", randomBytes(1 << 20)],
  ];
  test.each(answers)("%s", async (_, type, body) => {
    lab.upstream.answerNext(reply(200, [["Content-Type", type]], body));
    const answer = await lab.call("/v1/files/f/content");
    expect([answer.status, answer.complete, answer.body.sha256()]).toEqual([200, true, sha256(body)]);
    expect(headerValue(answer.headers, "content-type")).toBe(type);
  });

  const coded: [string, Bytes][] = [
    ["gzip", Bun.gzipSync('{"a":1}')],
    ["deflate", Bun.deflateSync('{"a":1}')],
    ["zstd", Bun.zstdCompressSync('{"a":1}')],
    ["br", randomBytes(40)],
    ["gzip", '{"plain":true}'],
    ["foo", "bar"],
    ["gzip, br", randomBytes(20)],
    ["gzip", Bun.gzipSync("x".repeat(5_000)).subarray(0, -8)],
  ];
  test.each(coded)(
    "Content-Encoding %s is neither decoded nor checked (ENC-101, ENC-105)",
    async (encoding, body) => {
      const headers: Headers = [
        ["Content-Type", "application/json"],
        ["Content-Encoding", encoding],
      ];
      lab.upstream.answerNext(reply(200, headers, body));
      const answer = await lab.call("/v1/models", { headers: [["Accept-Encoding", "gzip, br, zstd"]] });
      expect([answer.status, answer.body.sha256()]).toEqual([200, sha256(body)]);
      expect(headerValue(answer.headers, "content-encoding")).toBe(encoding);
      expect(headerValue(answer.headers, "content-length")).toBe(String(toBuffer(body).length));
    },
  );

  test("a coded answer in chunks", async () => {
    const body = Bun.gzipSync(randomBytes(50_000));
    const coding: Headers = [
      ["Content-Encoding", "gzip"],
      ["Transfer-Encoding", "chunked"],
    ];
    lab.upstream.answerNext([
      readBody(),
      write(head(200, coding), chunk(body.subarray(0, 999)), chunk(body.subarray(999)), chunk("")),
    ]);
    const answer = await lab.call("/v1/models");
    expect([answer.complete, answer.body.sha256()]).toEqual([true, sha256(body)]);
    expect(headerValues(answer.headers, "transfer-encoding")).toEqual(["chunked"]);
    expect(headerValues(answer.headers, "content-length")).toEqual([]);
  });

  test("206 with its range (BOD-108)", async () => {
    const headers: Headers = [
      ["Content-Type", "application/octet-stream"],
      ["Content-Range", "bytes 5-9/100"],
    ];
    lab.upstream.answerNext(reply(206, headers, "56789"));
    const answer = await lab.call("/v1/files/f/content", { headers: [["Range", "bytes=5-9"]] });
    expect([answer.status, headerValue(answer.headers, "content-range"), answer.body.text()]).toEqual([
      206,
      "bytes 5-9/100",
      "56789",
    ]);
    expect(headerValue(lab.upstream.requests.at(-1)!.headers, "range")).toBe("bytes=5-9");
  });
});

describe("an answer without a Content-Type stays without one (HTP-104)", () => {
  const untyped: [number, string][] = [
    [200, "{}"],
    [200, ""],
    [404, ""],
    [500, "x".repeat(20_000)],
  ];
  test.each(untyped)("%d with %p", async (status, body) => {
    lab.upstream.answerNext(reply(status, [], body));
    const answer = await lab.call("/v1/models");
    expect([answer.status, answer.complete, answer.body.text()]).toEqual([status, true, body]);
    expect(headerValues(answer.headers, "content-type")).toEqual([]);
  });
});

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

  test.each([301, 302, 303, 307, 308])("%d is handed over, never followed (HTP-101)", async (status) => {
    const before = lab.upstream.requests.length;
    for (const location of [`${lab.upstream.origin}/steal`, "/v1/elsewhere", "https://elsewhere.example/x"]) {
      lab.upstream.answerNext(reply(status, [["Location", location]], "moved"));
      const answer = await lab.call("/v1/models", { body: "{}" });
      expect([answer.status, headerValue(answer.headers, "location"), answer.body.text()]).toEqual([
        status,
        location,
        "moved",
      ]);
    }
    expect(lab.upstream.requests).toHaveLength(before + 3);
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

  test("informational answers before the real one are dropped (HTP-109)", async () => {
    const early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    const real = Buffer.concat([
      Buffer.from(early + early),
      Buffer.from(head(200, [["Content-Length", "2"]])),
      Buffer.from("{}"),
    ]);
    lab.upstream.answerNext([readBody(), write(real)]);
    const answer = await lab.call("/v1/models", { body: "{}" });
    expect([answer.status, answer.body.text()]).toEqual([200, "{}"]);
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
