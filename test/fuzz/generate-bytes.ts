import type { Random } from "./random.ts";

const jsonTexts = [
  '{"model":"m","messages":[]}',
  ' {\t"model" :"m" ,\r\n "messages":[ ] }\n',
  '{"model":"a","model":"b","model":"a"}',
  '{"seed":9007199254740993,"id":25122920421210000012,"f":1.0,"e":1E+2,"n":-0,"big":1e400}',
  '{"a":"\\u00e9 é \\/ / \\ud83c\\udf0d 🌍 北","b":"\\u0000"}',
  '{"a":"\\ud83d","stream":true}',
  '{"z":null,"y":[],"x":{},"stream_options":{"include_usage":false}}',
  '\ufeff{"model":"m"}',
  '{"__proto__":{"a":1},"constructor":"x"}',
  "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
  '{"broken":',
  "null",
];

/** A body as programs and providers send it, and as they should not. */
export function generateBytes(random: Random): Buffer {
  switch (random.between(0, 7)) {
    case 0:
      return Buffer.from(random.pick(jsonTexts));
    case 1:
      return Buffer.from(Bun.gzipSync(random.pick(jsonTexts)));
    case 2:
      return multipart(random);
    case 3:
      return random.bytes(random.between(1, 40));
    case 4:
      return Buffer.from(
        JSON.stringify({ n: random.between(0, 2 ** 40), text: random.bytes(40).toString("latin1") }),
      );
    case 5:
      return large(random);
    case 6:
      return eventStream(random);
    default:
      return Buffer.alloc(random.chance(0.5) ? 0 : 1, "x");
  }
}

/** Server-sent events with one kind of line end, as a whole. */
export function eventStream(random: Random): Buffer {
  const end = random.pick(["\n", "\r\n"]);
  const lines = [
    ": a comment",
    "event: delta",
    "id: 7",
    "retry: 10",
    'data: {"delta":"é🌍"}',
    "data:",
    "data: [DONE]",
    "x",
  ];
  const events = random.list(1, 8, () => random.list(1, 4, () => random.pick(lines)).join(end) + end + end);
  return Buffer.from(events.join(""));
}

/** The same bytes in pieces of any size, 1 included. */
export function intoPieces(random: Random, bytes: Buffer): Buffer[] {
  const largest = random.pick([1, 7, 1024, 16_384, 65_536, 1 << 20]);
  const pieces: Buffer[] = [];
  let at = 0;
  while (at < bytes.length && pieces.length < 200) {
    const length = random.between(1, largest);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return at < bytes.length ? [...pieces, bytes.subarray(at)] : pieces;
}

/** Around the borders at which this program and the runtime change their ways, filled with one random line. */
function large(random: Random): Buffer {
  const border = random.pick([4_096, 16_384, 65_536, 262_144, random.chance(0.2) ? 1 << 20 : 16_384]);
  return Buffer.alloc(border + random.between(-1, 1), random.bytes(97));
}

function multipart(random: Random): Buffer {
  const name = random.pick(["file", "model", 'a"b', "é"]);
  return Buffer.concat([
    Buffer.from(`--b\r\nContent-Disposition: form-data; name="${name}"; filename="a.bin"\r\n\r\n`),
    random.bytes(random.between(0, 300)),
    Buffer.from("\r\n--other\r\n\r\n--b--\r\n"),
  ]);
}
