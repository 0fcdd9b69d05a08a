import { createHash } from "node:crypto";

/** Header lines in the order and case they came. */
export type Headers = readonly (readonly [name: string, value: string])[];

/** The head of a request or response, with its bytes as they came (the empty line included). */
export interface Head {
  readonly startLine: string;
  readonly headers: Headers;
  readonly bytes: Buffer;
}

/** How the end of a body is found (RFC 9112 section 6.3). */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "until_close" };

/** Bytes and when they came, in milliseconds of `performance.now()`. */
export interface Arrival {
  readonly atMs: number;
  readonly bytes: Buffer;
}

/** A body while it comes in: as on the wire, and without its framing. */
export interface Body {
  /** One for each read from the socket; empty when bodies are not kept. */
  readonly arrivals: readonly Arrival[];
  /** The message ended as its framing says. */
  readonly complete: boolean;
  /** What is wrong with the chunked coding; nothing after that place is decoded. */
  readonly broken: string | undefined;
  /** Decoded length so far, in bytes. */
  readonly length: number;
  /** Every byte as it came, chunk sizes and trailers included. */
  wire(): Buffer;
  /** Dechunked, never decompressed. */
  bytes(): Buffer;
  text(): string;
  /** Hex digest of the decoded bytes so far. */
  sha256(): string;
}

export type Bytes = string | Uint8Array;

/** Text as UTF-8; bytes as they are. */
export function toBuffer(bytes: Bytes): Buffer {
  return typeof bytes === "string"
    ? Buffer.from(bytes)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

interface Decoded {
  readonly body: readonly Buffer[];
  /** How many of the given bytes belong to this message. */
  readonly taken: number;
  readonly complete: boolean;
  readonly broken?: string;
}
type Decoder = (bytes: Buffer) => Decoded;

/** Undefined until the empty line has come. Latin-1, so that every byte can be told. */
export function parseHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [startLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
  return { startLine, headers, bytes: bytes.subarray(0, end + 4) };
}

/** Every value of a header, in order; the name in any case. */
export function headerValues(headers: Headers, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** The only value of a header; undefined if it is absent. @throws {Error} if it is there twice */
export function headerValue(headers: Headers, name: string): string | undefined {
  const values = headerValues(headers, name);
  if (values.length > 1) throw new Error(`Header ${name} is there ${values.length} times`);
  return values[0];
}

/** A request without length and coding has no body. */
export function requestFraming(headers: Headers): Framing {
  return declaredFraming(headers) ?? { kind: "none" };
}

/** @param method of the request that is answered: HEAD has no body whatever the headers say */
export function responseFraming(head: Head, method: string): Framing {
  const status = statusOf(head);
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { kind: "none" };
  return declaredFraming(head.headers) ?? { kind: "until_close" };
}

/** Status code of a response head; NaN if the line has none. */
export function statusOf(head: Head): number {
  return Number.parseInt(head.startLine.split(" ")[1] ?? "", 10);
}

function declaredFraming(headers: Headers): Framing | undefined {
  if (/chunked\s*$/i.test(headerValues(headers, "transfer-encoding").join())) return { kind: "chunked" };
  const length = headerValues(headers, "content-length")[0];
  return length === undefined ? undefined : { kind: "length", length: Number(length) };
}

/** The filling side of a `Body`. */
export interface BodyReader extends Body {
  /** Takes what belongs to this body and gives back the rest. @param atMs when the bytes came, default now */
  accept(bytes: Buffer, atMs?: number): Buffer;
  /** The connection ended in order: completes a body that ends with the connection. */
  connectionEnded(): void;
}

/** @param keep false forgets the bytes and only counts and hashes them, for bodies of many megabytes */
export function createBodyReader(framing: Framing, keep = true): BodyReader {
  const decode = createDecoder(framing);
  const arrivals: Arrival[] = [];
  const decoded: Buffer[] = [];
  const hash = createHash("sha256");
  const state = {
    complete: decode(Buffer.alloc(0)).complete,
    broken: undefined as string | undefined,
    length: 0,
  };
  return {
    arrivals,
    get complete() {
      return state.complete;
    },
    get broken() {
      return state.broken;
    },
    get length() {
      return state.length;
    },
    wire: () => Buffer.concat(arrivals.map((arrival) => arrival.bytes)),
    bytes: () => Buffer.concat(decoded),
    text: () => Buffer.concat(decoded).toString(),
    sha256: () => hash.copy().digest("hex"),
    accept(bytes, atMs = performance.now()) {
      if (state.complete || bytes.length === 0) return bytes;
      const { body, taken, complete, broken } = decode(bytes);
      if (keep) arrivals.push({ atMs, bytes: bytes.subarray(0, taken) });
      for (const part of body) {
        hash.update(part);
        state.length += part.length;
        if (keep) decoded.push(part);
      }
      state.complete = complete;
      state.broken = broken;
      return bytes.subarray(taken);
    },
    connectionEnded() {
      if (framing.kind === "until_close") state.complete = true;
    },
  };
}

function createDecoder(framing: Framing): Decoder {
  switch (framing.kind) {
    case "none":
      return () => ({ body: [], taken: 0, complete: true });
    case "length":
      return countDown(framing.length);
    case "chunked":
      return dechunk();
    case "until_close":
      return (bytes) => ({ body: [bytes], taken: bytes.length, complete: false });
  }
}

function countDown(length: number): Decoder {
  let left = length;
  return (bytes) => {
    const body = bytes.subarray(0, left);
    left -= body.length;
    return { body: [body], taken: body.length, complete: left === 0 };
  };
}

type ChunkLine = "size" | "data_end" | "trailer";
type ChunkState = {
  readonly expect: ChunkLine | "nothing";
  readonly dataLeft: number;
  readonly broken?: string;
};

function dechunk(): Decoder {
  let state: ChunkState = { expect: "size", dataLeft: 0 };
  let partialLine = Buffer.alloc(0);
  return (bytes) => {
    const input = Buffer.concat([partialLine, bytes]);
    const body: Buffer[] = [];
    let at = 0;
    while (at < input.length && state.expect !== "nothing") {
      if (state.dataLeft > 0) {
        const part = input.subarray(at, at + state.dataLeft);
        body.push(part);
        state = { ...state, dataLeft: state.dataLeft - part.length };
        at += part.length;
        continue;
      }
      const lineEnd = input.indexOf("\r\n", at);
      if (lineEnd < 0) break;
      state = readChunkLine(state.expect, input.subarray(at, lineEnd).toString("latin1"));
      at = lineEnd + 2;
    }
    const { expect, broken } = state;
    if (broken !== undefined) return { body, taken: bytes.length, complete: false, broken };
    if (expect === "nothing") return { body, taken: bytes.length - (input.length - at), complete: true };
    partialLine = input.subarray(at);
    return { body, taken: bytes.length, complete: false };
  };
}

/** What follows a line of the chunked coding (RFC 9112 section 7.1). */
function readChunkLine(expected: ChunkLine | "nothing", line: string): ChunkState {
  if (expected === "trailer") return { expect: line === "" ? "nothing" : "trailer", dataLeft: 0 };
  if (expected === "data_end") {
    if (line === "") return { expect: "size", dataLeft: 0 };
    return { expect: "nothing", dataLeft: 0, broken: "a chunk is not followed by CRLF" };
  }
  const size = /^([0-9a-f]{1,13})\s*(?:;.*)?$/i.exec(line)?.[1];
  if (size === undefined) {
    return { expect: "nothing", dataLeft: 0, broken: `chunk size line ${JSON.stringify(line.slice(0, 40))}` };
  }
  const dataLeft = Number.parseInt(size, 16);
  return { expect: dataLeft > 0 ? "data_end" : "trailer", dataLeft };
}
