import { createSocket } from "node:dgram";
import dns from "node:dns";
import type { AddressInfo } from "node:net";

/** What is answered: addresses (IPv4) with a time to live, a failure, or nothing at all. */
export type NameAnswer =
  | { readonly addresses: readonly string[]; readonly ttlS?: number }
  | "SERVFAIL"
  | "NXDOMAIN"
  | "silence";

/** A name server on 127.0.0.1 that knows what it is told; this process asks it, and no other, until it is disposed. */
export interface NameServer extends Disposable {
  /** Names asked for, once for each question for IPv4. */
  readonly questions: readonly string[];
  /** From now on; other names do not exist. */
  set(name: string, answer: NameAnswer): void;
}

const typeA = 1;
const codes = { SERVFAIL: 2, NXDOMAIN: 3 } as const;

/** Starts one, in the place of those of the machine: servers in this process find names by it. */
export async function startNameServer(): Promise<NameServer> {
  const answers = new Map<string, NameAnswer>();
  const questions: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (message, peer) => {
    const { name, type, bytes } = readQuestion(message);
    if (type === typeA) questions.push(name);
    const answer = answers.get(name) ?? "NXDOMAIN";
    if (answer !== "silence")
      socket.send(toReply(message.subarray(0, 2), bytes, { type, answer }), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const before = dns.getServers();
  dns.setServers([`127.0.0.1:${(socket.address() as AddressInfo).port}`]);
  return {
    questions,
    set: (name, answer) => void answers.set(name, answer),
    [Symbol.dispose]() {
      dns.setServers(before);
      socket.close();
    },
  };
}

/** The only question of a message (RFC 1035, 4.1.2). */
function readQuestion(message: Buffer) {
  const labels: string[] = [];
  let at = 12;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const name = labels.join(".").toLowerCase();
  return { name, type: message.readUInt16BE(at + 1), bytes: message.subarray(12, at + 5) };
}

function toReply(
  id: Buffer,
  question: Buffer,
  { type, answer }: { readonly type: number; readonly answer: Exclude<NameAnswer, "silence"> },
): Buffer {
  const code = typeof answer === "string" ? codes[answer] : 0;
  const { addresses, ttlS = 60 } = typeof answer === "string" ? { addresses: [] } : answer;
  const records = type === typeA ? addresses.map((address) => toRecord(address, ttlS)) : [];
  const head = Buffer.alloc(10);
  head.writeUInt16BE(0x8180 | code, 0); // a response, recursion wanted and there
  head.writeUInt16BE(1, 2);
  head.writeUInt16BE(records.length, 4);
  return Buffer.concat([id, head, question, ...records]);
}

function toRecord(address: string, ttlS: number): Buffer {
  const record = Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]);
  record.writeUInt32BE(ttlS, 6);
  return record;
}
