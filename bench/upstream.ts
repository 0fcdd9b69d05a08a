/** The provider of the benchmark: a hand-written HTTP/1.1 server, so that it is no bottleneck. Own process; prints its port. */
import type { Socket } from "bun";
import { JSON_ANSWER_BYTES, STREAM_EVENTS, STREAM_PACE_MS } from "./scenarios.ts";

/** What a connection has not been able to use or send yet. */
interface Pending {
  /** Bytes of a request that is not whole. */
  input: string;
  output: Buffer;
}
type Peer = Socket<Pending>;

const JSON_ANSWER = jsonAnswer();
const STREAM_HEAD = Buffer.from(
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
);
const STREAM_EVENT = chunk(streamEvent());
const STREAM_END = Buffer.from("0\r\n\r\n");

function jsonAnswer(): Buffer {
  const usage = { prompt_tokens: 60, completion_tokens: 200, total_tokens: 260 };
  const answer = (content: string) =>
    JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion",
      created: 1_700_000_000,
      model: "bench-model",
      choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
      usage,
    });
  const body = answer("x".repeat(JSON_ANSWER_BYTES - answer("").length));
  return Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

function streamEvent(): string {
  const choices = [{ index: 0, delta: { content: "word " }, finish_reason: null }];
  const data = {
    id: "chatcmpl-bench",
    object: "chat.completion.chunk",
    created: 1_700_000_000,
    model: "bench-model",
  };
  return `data: ${JSON.stringify({ ...data, choices })}\n\n`;
}

function chunk(text: string): Buffer {
  return Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`);
}

function send(peer: Peer, bytes: Buffer): void {
  const { output } = peer.data;
  const sent = output.length > 0 ? 0 : Math.max(0, peer.write(bytes));
  if (sent < bytes.length) peer.data.output = Buffer.concat([output, bytes.subarray(sent)]);
}

function flush(peer: Peer): void {
  const { output } = peer.data;
  peer.data.output = output.subarray(Math.max(0, peer.write(output)));
}

/** Where the first request in `input` ends; -1 if it is not whole. */
function endOfRequest(input: string): number {
  const headEnd = input.indexOf("\r\n\r\n");
  if (headEnd < 0) return -1;
  const bodyStart = headEnd + 4;
  const head = input.slice(0, bodyStart).toLowerCase();
  const lengthAt = head.indexOf("\r\ncontent-length:");
  if (lengthAt >= 0) {
    const end = bodyStart + Number.parseInt(head.slice(lengthAt + 17), 10);
    return end <= input.length ? end : -1;
  }
  if (!head.includes("\r\ntransfer-encoding:")) return bodyStart;
  const lastChunk = input.indexOf("0\r\n\r\n", bodyStart);
  return lastChunk < 0 ? -1 : lastChunk + 5;
}

function answer(peer: Peer, requestLine: string): void {
  if (requestLine.includes("case=json")) {
    send(peer, JSON_ANSWER);
  } else if (requestLine.includes("case=burst")) {
    send(peer, STREAM_HEAD);
    for (let event = 0; event < STREAM_EVENTS; event++) send(peer, STREAM_EVENT);
    send(peer, STREAM_END);
  } else {
    answerPaced(peer);
  }
}

function answerPaced(peer: Peer): void {
  let left = STREAM_EVENTS;
  const next = (): void => {
    const isOpen = peer.readyState > 0;
    if (isOpen) send(peer, STREAM_EVENT);
    left -= 1;
    if (isOpen && left === 0) send(peer, STREAM_END);
    if (!isOpen || left === 0) clearInterval(timer);
  };
  const timer = setInterval(next, STREAM_PACE_MS);
  send(peer, STREAM_HEAD);
  next();
}

function receive(peer: Peer, bytes: Buffer): void {
  let input = peer.data.input + bytes.toString("latin1");
  for (let end = endOfRequest(input); end >= 0; end = endOfRequest(input)) {
    answer(peer, input.slice(0, input.indexOf("\r\n")));
    input = input.slice(end);
  }
  peer.data.input = input;
}

if (import.meta.main) {
  const server = Bun.listen<Pending>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(peer) {
        peer.data = { input: "", output: Buffer.alloc(0) };
      },
      data: receive,
      drain: flush,
      error: (peer) => {
        peer.terminate();
      },
    },
  });
  process.stdout.write(`${server.port}\n`);
}
