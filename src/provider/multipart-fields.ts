/** Small fields of a `multipart/form-data` body (RFC 7578) as it passes. */
export interface MultipartFields {
  push(bytes: Uint8Array): void;
}

const headBytesMax = 4096;
const boundaryCharsMax = 200;

/**
 * Tells the fields of these names as they pass, in their order, those that come twice included; a file of such a name
 * too, since who reads the form may take it for a field. It is lenient where servers are (bare line feeds, text around
 * the parts) and never throws. Memory: one piece of the body, and a field of `valueBytesMax`; a longer one is not told.
 * @returns undefined where the type names no boundary
 */
export function createMultipartFields(
  type: string,
  wanted: ReadonlySet<string>,
  onField: (name: string, value: string) => void,
  valueBytesMax = 65_536,
): MultipartFields | undefined {
  const [, quoted, plain] = /;[ \t]*boundary=(?:"([^"]+)"|([^\s";]+))/i.exec(type) ?? [];
  const boundary = quoted ?? plain ?? "";
  if (boundary === "" || boundary.length > boundaryCharsMax) return undefined;
  const delimiter = Buffer.from(`--${boundary}`, "latin1");
  /** Of the part that is read: not more than a head and a value. */
  let part = Buffer.alloc(0);
  let partBytes = 0;
  /** What may be the beginning of the next delimiter. */
  let rest: Buffer = Buffer.alloc(0);

  function addToPart(bytes: Buffer): void {
    partBytes += bytes.length;
    const room = headBytesMax + valueBytesMax + 4 - part.length;
    if (room > 0 && bytes.length > 0) part = Buffer.concat([part, bytes.subarray(0, room)]);
  }

  function endPart(): void {
    if (partBytes === part.length) tell(part.toString());
    part = Buffer.alloc(0);
    partBytes = 0;
  }

  function tell(text: string): void {
    const [, head, value] = /^[^\n]*\n((?:[^\n]+\n)*?)\r?\n([\s\S]*?)\r?\n?$/.exec(text) ?? [];
    if (head === undefined || head.length > headBytesMax || value === undefined) return;
    const [, inQuotes, bare] =
      /^content-disposition:.*?;[ \t]*name=(?:"([^"]*)"|([^\s";]+))/im.exec(head) ?? [];
    const name = inQuotes ?? bare ?? "";
    if (wanted.has(name.toLowerCase())) onField(name, value);
  }

  return {
    push(bytes) {
      const joined = Buffer.concat([rest, bytes]);
      let from = 0;
      for (;;) {
        const at = joined.indexOf(delimiter, from);
        if (at < 0) break;
        addToPart(joined.subarray(from, at));
        endPart();
        from = at + delimiter.length;
      }
      const kept = Math.max(from, joined.length - delimiter.length + 1);
      addToPart(joined.subarray(from, kept));
      rest = joined.subarray(kept);
    },
  };
}
