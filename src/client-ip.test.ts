import { expect, test } from "bun:test";
import { createClientIp } from "./client-ip.ts";

const clientIp = createClientIp(["127.0.0.0/8", "::1/128", "10.1.0.0/16", "2001:db8:1::/48"]);

const forwardedFor = (value: string) => ({ "x-forwarded-for": value });
const forwarded = (value: string) => ({ forwarded: value });

test.each([
  ["a peer without forwarding headers is the client", "203.0.113.7", {}, "203.0.113.7"],
  [
    "a stranger is not believed",
    "203.0.113.7",
    { "x-forwarded-for": "9.9.9.9", forwarded: "for=9.9.9.9", "x-real-ip": "8.8.8.8" },
    "203.0.113.7",
  ],
  ["a trusted proxy is believed", "10.1.2.3", forwardedFor("198.51.100.4"), "198.51.100.4"],
  ["NET-106: what the client wrote itself is not", "127.0.0.1", forwardedFor("1.1.1.1, 2.2.2.2"), "2.2.2.2"],
  [
    "trusted proxies behind each other are passed over",
    "127.0.0.1",
    forwardedFor(" 6.6.6.6 , 198.51.100.4 , 10.1.0.1,10.1.0.2"),
    "198.51.100.4",
  ],
  ["a client within a trusted network", "127.0.0.1", forwardedFor("10.1.9.9, 10.1.0.1"), "10.1.9.9"],
  ["X-Real-IP comes last", "::1", { "x-real-ip": "198.51.100.5" }, "198.51.100.5"],
  [
    "X-Forwarded-For goes before Forwarded and X-Real-IP",
    "::1",
    { "x-forwarded-for": "1.1.1.1", forwarded: "for=3.3.3.3", "x-real-ip": "2.2.2.2" },
    "1.1.1.1",
  ],
  ["an unknown client", "::1", { "x-forwarded-for": "6.6.6.6, unknown", "x-real-ip": "2.2.2.2" }, "2.2.2.2"],
  ["an unknown client of a proxy", "::1", forwardedFor("6.6.6.6, unknown, 10.1.0.7"), "10.1.0.7"],
  ["a name is no address", "127.0.0.1", forwardedFor("evil.example"), "127.0.0.1"],
  ["a decimal number is no address", "127.0.0.1", forwardedFor("2130706433"), "127.0.0.1"],
  ["an octal number is no address", "127.0.0.1", forwardedFor("010.1.0.1"), "127.0.0.1"],
  ["a zone that makes no sense is no address", "127.0.0.1", forwardedFor("fe80::1%a-b"), "127.0.0.1"],
  ["a port is cut off", "127.0.0.1", forwardedFor("198.51.100.4:5555"), "198.51.100.4"],
  ["brackets and port are cut off", "127.0.0.1", forwardedFor("[2001:db8::1]:443"), "2001:db8::1"],
  [
    "a trusted proxy with IPv6 and port",
    "::1",
    forwardedFor("6.6.6.6, 9.9.9.9, [2001:db8:1::7]:443"),
    "9.9.9.9",
  ],
  ["IPv6 is written in one way", "127.0.0.1", forwardedFor("2001:DB8:0:0::1"), "2001:db8::1"],
  ["IPv4 in IPv6 is IPv4", "::ffff:203.0.113.7", {}, "203.0.113.7"],
  ["IPv4 in IPv6 can be trusted", "::ffff:127.0.0.1", forwardedFor("1.1.1.1"), "1.1.1.1"],
  ["4 KB of commas say nothing", "127.0.0.1", forwardedFor(",".repeat(4096)), "127.0.0.1"],
  ["and hide nothing", "127.0.0.1", forwardedFor(`1.1.1.1${",".repeat(4096)}`), "1.1.1.1"],
  ["Forwarded with IPv6 and port", "::1", forwarded('for="[2001:db8::1]:4711"'), "2001:db8::1"],
  [
    "Forwarded, one of several",
    "::1",
    forwarded("for=6.6.6.6, For=192.0.2.43;proto=https;by=1.1.1.1"),
    "192.0.2.43",
  ],
  ["Forwarded through a trusted proxy", "::1", forwarded('for=9.9.9.9;host="a,b", for=10.1.0.1'), "9.9.9.9"],
  ["Forwarded by a hidden name", "::1", forwarded("for=6.6.6.6, for=_hidden"), "::1"],
  ["Forwarded without for", "::1", forwarded("for=6.6.6.6, proto=https"), "::1"],
  ["an open quote swallows no proxy", "::1", forwarded('for=6.6.6.6;by=", for="[2001:db8::1]"'), "::1"],
  ["a quote that is never closed", "::1", forwarded('for=6.6.6.6, for="9.9.9.9'), "::1"],
  ["no pairs at all", "::1", forwarded("1.1.1.1"), "::1"],
  ["without a socket there is no address", "", forwardedFor("1.1.1.1"), ""],
] as const)("%s", (_, peer, headers, expected) => {
  expect(clientIp(peer, new Headers(headers)).clientIp).toBe(expected);
});

test("NET-106: several lines of a header are one list", () => {
  const headers = new Headers();
  for (const line of ["6.6.6.6", "198.51.100.4", "10.1.0.1"]) headers.append("x-forwarded-for", line);
  expect(clientIp("127.0.0.1", headers)).toEqual({ clientIp: "198.51.100.4", peerIp: "127.0.0.1" });
});

test("the peer is told where it is another", () => {
  expect(clientIp("::ffff:10.1.2.3", new Headers(forwardedFor("9.9.9.9")))).toEqual({
    clientIp: "9.9.9.9",
    peerIp: "10.1.2.3",
  });
  expect(clientIp("203.0.113.7", new Headers(forwardedFor("9.9.9.9")))).toEqual({ clientIp: "203.0.113.7" });
});

test("with no trusted proxy nobody is believed", () => {
  expect(createClientIp([])("127.0.0.1", new Headers(forwardedFor("1.1.1.1")))).toEqual({
    clientIp: "127.0.0.1",
  });
});

test("a wrong network is refused when it is made", () => {
  expect(() => createClientIp(["10.0.0.0/99"])).toThrow();
});
