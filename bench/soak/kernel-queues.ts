import { readFileSync } from "node:fs";

/** proc(5): local and remote port, then the bytes that wait to be taken and to be read, all in hexadecimal. */
const row = /^\s*\d+: \w+:(\w{4}) \w+:(\w{4}) \w\w (\w{8}):(\w{8})/;

/** Bytes that wait in the kernel, at either end of the IPv4 connections to these ports. */
export function kernelQueueBytes(ports: readonly number[]): number {
  let bytes = 0;
  for (const line of readFileSync("/proc/net/tcp", "latin1").split("\n")) {
    const [, local = "", remote = "", toSend = "0", toRead = "0"] = row.exec(line) ?? [];
    const isMeant = [local, remote].some((port) => ports.includes(Number.parseInt(port, 16)));
    if (isMeant) bytes += Number.parseInt(toSend, 16) + Number.parseInt(toRead, 16);
  }
  return bytes;
}
