import type { Headers } from "../harness/http-message.ts";
import type { Step } from "../harness/upstream-connection.ts";
import { chunk, fin, pause, readBody, reset, write } from "../harness/upstream-steps.ts";

/** A body with the way it is framed: each piece is a chunk where it goes out in chunks. */
interface FuzzBody {
  readonly framing: "none" | "length" | "chunked";
  readonly pieces: readonly Buffer[];
}

/** What is sent, but for Host, credentials and framing. Text is latin-1: each character is a byte. */
export interface FuzzRequest extends Omit<FuzzBody, "none"> {
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  /** Bytes in each of the first writes; the rest goes out in one. */
  readonly segment: number;
}

/** What the fake upstream answers, byte for byte. */
export interface FuzzAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers: Headers;
  readonly framing: FuzzBody["framing"] | "close";
  readonly pieces: readonly Buffer[];
  readonly segment: number;
  readonly hasEarlyHints: boolean;
  /** `cut` and `reset` end the connection before the body is whole. */
  readonly end: "whole" | "cut" | "reset";
}

export interface FuzzCase {
  readonly request: FuzzRequest;
  readonly answer: FuzzAnswer;
}

/** By this field the upstream knows which answer to give; nothing else is compared without it. */
export const caseField = "X-Fuzz-Case";
const segmentsMax = 12;

/** The writes that make up a request. */
export function requestWrites(request: FuzzRequest, lines: Headers): Buffer[] {
  const { method, target, headers, framing, pieces, segment } = request;
  const head = `${method} ${target} HTTP/1.1\r\n${textOf([...lines, ...framingLine(framing, pieces), ...headers])}\r\n`;
  return cut(Buffer.concat([Buffer.from(head, "latin1"), ...framed(framing, pieces)]), segment);
}

/** The steps that make up an answer. */
export function answerSteps(answer: FuzzAnswer, method: string): Step[] {
  const { status, reason, headers, framing, pieces, segment, end } = answer;
  const hints = answer.hasEarlyHints ? "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" : "";
  const head = `${hints}HTTP/1.1 ${status} ${reason}\r\n${textOf([...headers, ...framingLine(framing, pieces)])}\r\n`;
  const body = Buffer.concat(method === "HEAD" ? [] : framed(framing, pieces));
  const sent = end === "whole" ? body : body.subarray(0, Math.floor(body.length / 2));
  const writes = cut(Buffer.concat([Buffer.from(head, "latin1"), sent]), segment);
  const steps: Step[] = [readBody(), ...writes.flatMap((bytes) => [write(bytes), pause(0)])];
  if (end === "reset") return [...steps, pause(5), reset()];
  return end === "cut" || framing === "close" ? [...steps, pause(5), fin()] : steps;
}

function framed(framing: FuzzAnswer["framing"], pieces: readonly Buffer[]): readonly Buffer[] {
  if (framing === "none") return [];
  return framing === "chunked"
    ? [...pieces.filter(({ length }) => length > 0).map(chunk), chunk("")]
    : pieces;
}

function framingLine(framing: FuzzAnswer["framing"], pieces: readonly Buffer[]): Headers {
  if (framing === "chunked") return [["Transfer-Encoding", "chunked"]];
  if (framing === "length") return [["Content-Length", String(Buffer.concat(pieces).length)]];
  return [];
}

function textOf(headers: Headers): string {
  return headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
}

function cut(bytes: Buffer, segment: number): Buffer[] {
  const writes: Buffer[] = [];
  let at = 0;
  for (; writes.length < segmentsMax && at + segment < bytes.length; at += segment)
    writes.push(bytes.subarray(at, at + segment));
  return [...writes, bytes.subarray(at)];
}
