import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { type Bytes, type Headers, headerValue, headerValues, toBuffer } from "../harness/http-message.ts";
import { chunk, head, pause, readBody, reply, write } from "../harness/upstream-steps.ts";
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
      randomBytes(3 << 20),
      Buffer.from("\x00\xff\r\n--\x00\xff\r\n--other--\r\n", "latin1"),
      Buffer.from("\r\n----x y:z--"),
    ]),
  ],
  ["every byte there is", "application/octet-stream", everyByte],
  ["3 MiB", "application/octet-stream", randomBytes(3 << 20)],
  ["one byte", "text/plain", "x"],
];
const packed = '{"model":"m","stream":true,"messages":[]}';

describe("request bodies arrive byte for byte", () => {
  test.each(bodies)("%s", async (_, type, body) => {
    const headers: Headers = [["Content-Type", type]];
    const answer = await lab.call("/v1/chat/completions", { headers, body });
    expect(answer.status).toBe(200);
    const request = lab.upstream.requests.at(-1)!;
    expect([request.method, request.body.sha256()]).toEqual(["POST", sha256(body)]);
    expect(headerValue(request.headers, "content-type")).toBe(type);
  });

  test.each([
    ["gzip", Bun.gzipSync(packed)],
    ["zstd", Bun.zstdCompressSync(packed)],
  ])("a body in %s keeps its coding and its length (ENC-106)", async (coding, body) => {
    const headers: Headers = [
      ["Content-Type", "application/json"],
      ["Content-Encoding", coding],
    ];
    expect((await lab.call("/v1/chat/completions", { headers, body })).status).toBe(200);
    const request = lab.upstream.requests.at(-1)!;
    expect(request.body.sha256()).toBe(sha256(body));
    expect(headerValue(request.headers, "content-encoding")).toBe(coding);
    expect(headerValue(request.headers, "content-length")).toBe(String(body.length));
  });

  test("an upload in chunks of odd sizes, without a length (BOD-102)", async () => {
    const sizes = Array.from({ length: 300 }, (_, n) => [1, 17, 4_096, 65_536][n % 4] ?? 0);
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

  const lengths: [string, Headers][] = [
    [
      "length 0",
      [
        ["Content-Length", "0"],
        ["Content-Type", "application/json"],
      ],
    ],
    ["no length", []],
  ];
  test.each(lengths)(
    "a body of %s is an empty one there as well, with length 0 (BOD-109)",
    async (_, headers) => {
      for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
        expect((await lab.call("/v1/threads", { method, headers })).status).toBe(200);
        const request = lab.upstream.requests.at(-1)!;
        expect([request.method, request.body.length, request.body.complete]).toEqual([method, 0, true]);
        expect(headerValue(request.headers, "content-length")).toBe("0");
        expect(headerValues(request.headers, "transfer-encoding")).toEqual([]);
      }
    },
  );

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
    ["audio (BOD-108)", "audio/mpeg", randomBytes(4 << 20)],
    [
      "the parts of a batch (BOD-108)",
      'multipart/mixed; boundary="batch_1"',
      "--batch_1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n--batch_1--",
    ],
    ["a file of lines (BOD-108)", "application/jsonl", '{"a":1}\r\n{"b":"\\ud83d"}\n\n'],
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
    ["gzip", Buffer.concat([Bun.gzipSync('{"a":'), Bun.gzipSync("1}")])],
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

  test("audio in chunks is played while it is made (BOD-108)", async () => {
    const [first, rest] = [randomBytes(4_096), randomBytes(4 << 20)];
    const sentAtMs: number[] = [];
    lab.upstream.answerNext([
      readBody(),
      (link) => {
        sentAtMs.push(performance.now());
        const type: Headers = [["Content-Type", "audio/mpeg"]];
        return link.write(
          Buffer.concat([Buffer.from(head(200, [...type, ["Transfer-Encoding", "chunked"]])), chunk(first)]),
        );
      },
      pause(400),
      write(chunk(rest), chunk("")),
    ]);
    const answer = await lab.call("/v1/audio/speech", { body: "{}" });
    expect([answer.complete, answer.body.sha256()]).toEqual([true, sha256(Buffer.concat([first, rest]))]);
    expect((answer.body.arrivals[0]?.atMs ?? 0) - (sentAtMs[0] ?? 0)).toBeLessThan(150);
  });

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
  test("204, and an empty value", async () => {
    lab.upstream.answerNext([readBody(), write(head(204))]);
    expect(headerValues((await lab.call("/v1/models")).headers, "content-type")).toEqual([]);
    lab.upstream.answerNext(reply(200, [["Content-Type", ""]], "{}"));
    const answer = await lab.call("/v1/models");
    expect([answer.body.text(), headerValues(answer.headers, "content-type")]).toEqual(["{}", [""]]);
  });

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
