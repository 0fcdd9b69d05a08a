import { fail, ok, type Result } from "../result.ts";

/** A field of the outermost object: its name, and its JSON text where that is a scalar. */
export interface JsonField {
  readonly name: string;
  /** A string as its content, other scalars as their JSON text; undefined for objects, arrays and what is too long. */
  readonly scalar: string | undefined;
}

/** `too_large`: it has more fields or is deeper than any request to a provider. */
export type JsonFault = "not_an_object" | "too_large";

/** Fields of the outermost object at the most. */
export const fieldsMax = 1_000;
/** Longest scalar that is told, as it stands in the text. */
export const scalarBytesMax = 64 * 1024;
const depthMax = 1_000;

/** So much is scanned at a time: one or two milliseconds. */
const sliceBytes = 256 * 1024;

const [tab, lineFeed, carriageReturn, blank, quote, backslash] = [9, 10, 13, 32, 34, 92];
const [plus, comma, minus, point, zero, nine, colon] = [43, 44, 45, 46, 48, 57, 58];
const [openBracket, closeBracket, openBrace, closeBrace, largeE, smallE] = [91, 93, 123, 125, 69, 101];
const words = ["true", "false", "null"].map((word) => [...word].map((char) => char.charCodeAt(0)));

/** What may come next, as a sum of these; nothing once the object has ended. */
const [aValue, aName, aColon, aComma, anEnd] = [1, 2, 4, 8, 16];

interface Scan {
  readonly bytes: Uint8Array;
  at: number;
  expects: number;
  /** The opening bytes of the containers that have not ended. */
  readonly open: number[];
  /** Where the string began in whose middle the scan stands; -1: in none. */
  stringStart: number;
  readonly fields: JsonField[];
  /** Of the field of the outermost object that is being read. */
  name: string;
  valueStart: number;
}

/**
 * Lists the fields of a JSON object in their order, those that come twice included (JSON.parse would keep the last and
 * hide that). The text has to be valid JSON as a whole (RFC 8259), or nothing is told of it; that it is UTF-8 is for the
 * caller to check. Yields every few milliseconds, so that others get their turn while a large text is read (JSN-104).
 */
export function* listJsonFields(bytes: Uint8Array): Generator<void, Result<readonly JsonField[], JsonFault>> {
  const at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0; // a byte order mark
  const scan: Scan = {
    bytes,
    at,
    expects: aValue,
    open: [],
    stringStart: -1,
    fields: [],
    name: "",
    valueStart: 0,
  };
  while (scan.at < bytes.length) {
    const fault = scanTo(scan, Math.min(bytes.length, scan.at + sliceBytes));
    if (fault !== undefined) return fail(fault);
    if (scan.at < bytes.length) yield;
  }
  return scan.expects === 0 ? ok(scan.fields) : fail("not_an_object");
}

function scanTo(scan: Scan, end: number): JsonFault | undefined {
  while (scan.at < end) {
    const isGood = scan.stringStart < 0 ? takeToken(scan) : takeString(scan, end);
    if (!isGood) return "not_an_object";
    if (scan.fields.length > fieldsMax || scan.open.length > depthMax) return "too_large";
  }
  return undefined;
}

/** Reads one token, or the opening quote of a string; false where it may not stand there. */
function takeToken(scan: Scan): boolean {
  const byte = scan.bytes[scan.at] as number;
  switch (byte) {
    case blank:
    case lineFeed:
    case carriageReturn:
    case tab:
      scan.at++;
      return true;
    case openBrace:
    case openBracket:
      if (!beginValue(scan, byte)) return false;
      scan.open.push(byte);
      scan.at++;
      scan.expects = (byte === openBrace ? aName : aValue) | anEnd;
      return true;
    case closeBrace:
      return takeEnd(scan, openBrace);
    case closeBracket:
      return takeEnd(scan, openBracket);
    case comma:
      return takeMark(scan, aComma, scan.open.at(-1) === openBrace ? aName : aValue);
    case colon:
      return takeMark(scan, aColon, aValue);
    case quote:
      if ((scan.expects & aName) === 0 && !beginValue(scan, byte)) return false;
      scan.stringStart = scan.at++;
      return true;
    default:
      if (!beginValue(scan, byte) || !passScalar(scan)) return false;
      endValue(scan);
      return true;
  }
}

function takeMark(scan: Scan, mark: number, next: number): boolean {
  if ((scan.expects & mark) === 0) return false;
  scan.at++;
  scan.expects = next;
  return true;
}

function takeEnd(scan: Scan, opening: number): boolean {
  if ((scan.expects & anEnd) === 0 || scan.open.at(-1) !== opening) return false;
  scan.open.pop();
  scan.at++;
  endValue(scan);
  return true;
}

/** The outermost value has to be an object. */
function beginValue(scan: Scan, byte: number): boolean {
  if (scan.open.length === 1) scan.valueStart = scan.at;
  return (scan.expects & aValue) !== 0 && (scan.open.length > 0 || byte === openBrace);
}

function endValue(scan: Scan): void {
  const { bytes, open, fields, name, valueStart, at } = scan;
  if (open.length === 1) fields.push({ name, scalar: readScalar(bytes, valueStart, at) });
  scan.expects = open.length === 0 ? 0 : aComma | anEnd;
}

function readScalar(bytes: Uint8Array, start: number, end: number): string | undefined {
  const first = bytes[start];
  if (first === openBrace || first === openBracket || end - start > scalarBytesMax) return undefined;
  return first === quote
    ? readString(bytes, start, end)
    : new TextDecoder().decode(bytes.subarray(start, end));
}

/** With its quotes. */
function readString(bytes: Uint8Array, start: number, end: number): string {
  return JSON.parse(new TextDecoder().decode(bytes.subarray(start, end))) as string;
}

/** Reads on in a string, to `end` at about the most. */
function takeString(scan: Scan, end: number): boolean {
  const { bytes } = scan;
  let { at } = scan;
  while (at < end) {
    const byte = bytes[at++] as number;
    if (byte < blank) return false;
    if (byte === backslash) at = escapeEnd(bytes, at);
    if (byte === quote) {
      scan.at = at;
      return endString(scan);
    }
  }
  scan.at = at;
  return at < bytes.length;
}

/** Where an escape ends whose backslash is read; beyond all bytes if it is none. */
function escapeEnd(bytes: Uint8Array, at: number): number {
  const char = String.fromCharCode(bytes[at] ?? 0);
  if (char === "u" && /^[0-9a-f]{4}$/i.test(String.fromCharCode(...bytes.subarray(at + 1, at + 5))))
    return at + 5;
  return '"\\/bfnrt'.includes(char) ? at + 1 : Infinity;
}

function endString(scan: Scan): boolean {
  const { bytes, open, stringStart, at } = scan;
  scan.stringStart = -1;
  if ((scan.expects & aName) === 0) endValue(scan);
  else {
    if (open.length === 1) {
      if (at - stringStart > scalarBytesMax) return false;
      scan.name = readString(bytes, stringStart, at);
    }
    scan.expects = aColon;
  }
  return true;
}

/** A number, true, false or null. */
function passScalar(scan: Scan): boolean {
  const { bytes, at } = scan;
  const word = words.find(([first]) => first === bytes[at]);
  if (word === undefined) return passNumber(scan);
  scan.at += word.length;
  return word.every((byte, index) => bytes[at + index] === byte);
}

function passNumber(scan: Scan): boolean {
  const { bytes } = scan;
  if (bytes[scan.at] === minus) scan.at++;
  if (bytes[scan.at] === zero) scan.at++;
  else if (!passDigits(scan)) return false;
  if (bytes[scan.at] === point) {
    scan.at++;
    if (!passDigits(scan)) return false;
  }
  if (bytes[scan.at] !== smallE && bytes[scan.at] !== largeE) return true;
  scan.at++;
  if (bytes[scan.at] === plus || bytes[scan.at] === minus) scan.at++;
  return passDigits(scan);
}

/** One at the least. */
function passDigits(scan: Scan): boolean {
  const { bytes, at } = scan;
  while (isDigit(bytes[scan.at])) scan.at++;
  return scan.at > at;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= nine;
}
