import { expect, test } from "bun:test";
import { createClientIp } from "./client-ip.ts";

const clientIp = createClientIp(["127.0.0.0/8", "::1/128", "10.1.0.0/16"]);

test.each([
  ["a peer without forwarding headers is the client", "203.0.113.7", {}, "203.0.113.7"],
  [
    "a stranger is not believed",
    "203.0.113.7",
    { "x-forwarded-for": "9.9.9.9", "x-real-ip": "8.8.8.8" },
    "203.0.113.7",
  ],
  ["a trusted proxy is believed", "10.1.2.3", { "x-forwarded-for": "198.51.100.4" }, "198.51.100.4"],
  ["the first entry wins", "127.0.0.1", { "x-forwarded-for": " 198.51.100.4 , 10.1.0.1" }, "198.51.100.4"],
  ["X-Real-IP comes second", "::1", { "x-real-ip": "198.51.100.5" }, "198.51.100.5"],
  [
    "X-Forwarded-For goes before X-Real-IP",
    "::1",
    { "x-forwarded-for": "1.1.1.1", "x-real-ip": "2.2.2.2" },
    "1.1.1.1",
  ],
  [
    "what is no address is passed over",
    "::1",
    { "x-forwarded-for": "unknown", "x-real-ip": "2.2.2.2" },
    "2.2.2.2",
  ],
  ["a name is no address", "127.0.0.1", { "x-forwarded-for": "evil.example" }, "127.0.0.1"],
  ["a decimal number is no address", "127.0.0.1", { "x-forwarded-for": "2130706433" }, "127.0.0.1"],
  ["a port is cut off", "127.0.0.1", { "x-forwarded-for": "198.51.100.4:5555" }, "198.51.100.4"],
  ["brackets and port are cut off", "127.0.0.1", { "x-forwarded-for": "[2001:db8::1]:443" }, "2001:db8::1"],
  ["IPv6 is written in one way", "127.0.0.1", { "x-forwarded-for": "2001:DB8:0:0::1" }, "2001:db8::1"],
  ["IPv4 in IPv6 is IPv4", "::ffff:203.0.113.7", {}, "203.0.113.7"],
  ["IPv4 in IPv6 can be trusted", "::ffff:127.0.0.1", { "x-forwarded-for": "1.1.1.1" }, "1.1.1.1"],
  ["without a socket there is no address", "", { "x-forwarded-for": "1.1.1.1" }, ""],
] as const)("%s", (_, peer, headers, expected) => {
  expect(clientIp(peer, new Headers(headers))).toBe(expected);
});

test("with no trusted proxy nobody is believed", () => {
  expect(createClientIp([])("127.0.0.1", new Headers({ "x-forwarded-for": "1.1.1.1" }))).toBe("127.0.0.1");
});

test("a wrong network is refused when it is made", () => {
  expect(() => createClientIp(["10.0.0.0/99"])).toThrow();
});
