import { afterAll, beforeAll, expect, test } from "bun:test";
import { within } from "../harness/mailbox.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
let stranger: Lab;
beforeAll(async () => {
  lab = await openLab({ env: { TRUSTED_PROXIES: "127.0.0.0/8,10.1.0.0/16" } });
  stranger = await openLab({ env: { TRUSTED_PROXIES: "192.0.2.0/24" } });
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await stranger[Symbol.asyncDispose]();
});

/** The addresses in the last log line of the request with this id. */
async function addressesIn(of: Lab, id: string) {
  let line: string | undefined;
  const search = async () => {
    while (line === undefined) {
      const lines = of.app.log().split("\n");
      line = lines.find((each) => each.includes(id) && each.includes("request completed"));
      await Bun.sleep(5);
    }
  };
  await within(search(), 5_000, () => `the log line of ${id}`);
  const { client_ip, peer_ip } = JSON.parse(line ?? "") as { client_ip: string; peer_ip?: string };
  return { client_ip, peer_ip };
}

/** The same of a request that is made with these headers. */
async function addressesOf(of: Lab, headers: readonly (readonly [string, string])[]) {
  const id = crypto.randomUUID();
  await of.call("/v1/models", { headers: [...headers, ["X-Request-ID", id]] });
  return addressesIn(of, id);
}

test.each([
  ["one hop", [["X-Forwarded-For", "203.0.113.9"]], "203.0.113.9"],
  ["what the client forged", [["X-Forwarded-For", "1.1.1.1, 2.2.2.2"]], "2.2.2.2"],
  [
    "two lines and a proxy in between",
    [
      ["X-Forwarded-For", "1.1.1.1, 2.2.2.2"],
      ["X-Forwarded-For", "10.1.0.3"],
    ],
    "2.2.2.2",
  ],
  ["IPv6 with a port", [["X-Forwarded-For", "[2001:db8::7]:4711"]], "2001:db8::7"],
  ["Forwarded", [["Forwarded", 'for="[2001:db8::1]:4711"']], "2001:db8::1"],
] as const)(
  "NET-106 behind a trusted proxy: %s; the log shows both addresses",
  async (_, headers, client) => {
    expect(await addressesOf(lab, headers)).toEqual({ client_ip: client, peer_ip: "127.0.0.1" });
  },
);

test.each([
  ["unknown", [["X-Forwarded-For", "6.6.6.6, unknown"]]],
  ["4 KB of commas", [["X-Forwarded-For", ",".repeat(4096)]]],
  ["a broken Forwarded", [["Forwarded", 'for="6.6.6.6']]],
] as const)("NET-106 malformed, %s: the peer is the client and nothing fails", async (_, headers) => {
  expect(await addressesOf(lab, headers)).toEqual({ client_ip: "127.0.0.1", peer_ip: undefined });
});

test("NET-106 a peer that is not trusted is not believed", async () => {
  const headers = [
    ["X-Forwarded-For", "1.1.1.1"],
    ["Forwarded", "for=1.1.1.1"],
    ["X-Real-IP", "1.1.1.1"],
  ] as const;
  expect(await addressesOf(stranger, headers)).toEqual({ client_ip: "127.0.0.1", peer_ip: undefined });
});

test("NET-106 management calls are told of in the same way, and the audit trail names the client", async () => {
  const auth = ["Authorization", `Bearer ${lab.app.managementToken}`] as const;
  const headers = [auth, ["X-Forwarded-For", "1.1.1.1, 198.51.100.77"]] as const;
  const id = crypto.randomUUID();
  await lab.call("/manage/projects", { token: "", headers: [...headers, ["X-Request-ID", id]] });
  const { json } = await lab.app.manage("GET", `/audit?request_id=${id}`);
  expect(json.events.map((event: { client_ip: string }) => event.client_ip)).toEqual(["198.51.100.77"]);
  expect(await addressesIn(lab, id)).toEqual({ client_ip: "198.51.100.77", peer_ip: "127.0.0.1" });
});
