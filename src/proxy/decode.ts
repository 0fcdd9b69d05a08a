import type { Transform } from "node:stream";
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";

/** Decodes a copy of a compressed answer beside the relay. */
export interface Decoder {
  /** Never waits; what it is given passes on its way unchanged. */
  push(chunk: Uint8Array): void;
  /** Resolves when all is decoded, with what was wrong with it; "" where nothing was. Never rejects. */
  end(): Promise<string>;
}

/** What waits to be decoded; the thread that does it is faster than any network, or something is wrong. */
const waitingBytesMax = 4 << 20;
/** A few kilobytes can be made to unpack to gigabytes. */
const decodedBytesMax = 256 << 20;

/** A decoder for this `Content-Encoding`; undefined for one that is not known, or several on top of each other. */
export function createDecoder(coding: string, onBytes: (bytes: Uint8Array) => void): Decoder | undefined {
  const make = makers.get(coding.trim().toLowerCase());
  if (make === undefined) return undefined;
  let stream: Transform | undefined;
  let fault = "";
  let decodedBytes = 0;
  const over = Promise.withResolvers<void>();

  function giveUp(why: string): void {
    fault ||= why;
    stream?.destroy();
    over.resolve();
  }

  function start(first: number): Transform | undefined {
    stream = make?.(first);
    stream?.on("data", (bytes: Uint8Array) => {
      decodedBytes += bytes.byteLength;
      if (decodedBytes > decodedBytesMax) giveUp("it unpacks to too much");
      else onBytes(bytes);
    });
    stream?.on("end", () => over.resolve());
    stream?.on("error", () => giveUp(`it is not ${coding}`));
    return stream;
  }

  return {
    push(chunk) {
      if (fault !== "" || chunk.byteLength === 0) return;
      const to = stream ?? start(chunk[0] ?? 0);
      if ((to?.writableLength ?? 0) > waitingBytesMax) giveUp("it came faster than it could be unpacked");
      // A copy: the chunk is on its way to the client, and belongs to nobody then.
      else to?.write(chunk.slice());
    },
    async end() {
      if (stream === undefined) over.resolve();
      else stream.end();
      await over.promise;
      return fault;
    },
  };
}

/** By the coding; each is told the first byte. `deflate` is zlib's format (RFC 9110, 8.4.1.2), and that without its head where servers err. */
const makers: ReadonlyMap<string, (first: number) => Transform> = new Map<
  string,
  (first: number) => Transform
>([
  ["gzip", () => createGunzip()],
  ["x-gzip", () => createGunzip()],
  ["br", () => createBrotliDecompress()],
  ["zstd", () => createZstdDecompress()],
  ["deflate", (first: number) => ((first & 0x0f) === 8 ? createInflate() : createInflateRaw())],
]);
