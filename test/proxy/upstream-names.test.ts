import { afterAll, beforeAll, expect, test } from "bun:test";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { certificates } from "../harness/certificates.ts";
import { type NameServer, startNameServer } from "../harness/name-server.ts";
import { exchange } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { jsonOf, openLab, requestBytes } from "./lab.ts";

let names: NameServer;
beforeAll(async () => {
  names = await startNameServer();
  for (const name of ["api.example", "other.example", "xn--hst-sna.example"])
    names.set(name, { addresses: ["127.0.0.1"] });
});
afterAll(() => names[Symbol.dispose]());

/** A provider with a certificate for api.example, which takes down who was asked for. */
async function startProvider() {
  const asked: { name: string; host: string; target: string }[] = [];
  const handshakes: string[] = [];
  const server = createServer({ key: certificates.key, cert: certificates.other }, (socket) => {
    const name = (socket as { servername?: string | false }).servername || "none";
    handshakes.push(name);
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      const head = bytes.toString("latin1");
      const target = head.split(" ")[1] ?? "";
      asked.push({ name, host: /^host: (.*)\r$/im.exec(head)?.[1] ?? "", target });
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    });
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    handshakes,
    [Symbol.dispose]: () => void server.close(),
  };
}

/** A lab with the provider at this base URL, and calls to it under a host name of the client's own. */
async function openAt(baseUrl: string) {
  const home = temporaryDirectory();
  const ca = join(home.path, "ca.pem");
  await Bun.write(ca, certificates.ca);
  const lab = await openLab({
    providers: `  named: {base_url: "${baseUrl}", private: true, allowed_methods: [GET], allowed_endpoints: ["/*"], tls: {ca_file: "${ca}"}, retries: {max: 0}}\n`,
  });
  const { token } = await lab.app.newToken((await lab.app.newProject({ provider: "named" })).id);
  return {
    lab,
    call: () =>
      exchange(
        lab.app.port,
        requestBytes("/v1/models", { token, headers: [["Host", "proxy.internal:8080"]] }),
      ),
    async [Symbol.asyncDispose]() {
      await lab[Symbol.asyncDispose]();
      home[Symbol.dispose]();
    },
  };
}

test.each(["api.example", "API.Example", "api.example."])(
  "%s is asked for by its name in TLS and in Host, over one connection (NET-105)",
  async (host) => {
    using provider = await startProvider();
    await using named = await openAt(`https://${host}:${provider.port}/base`);
    for (let n = 0; n < 20; n++) expect((await named.call()).status).toBe(200);
    const seen = { name: "api.example", host: `api.example:${provider.port}`, target: "/base/v1/models" };
    expect(provider.asked).toEqual(Array.from({ length: 20 }, () => seen));
    expect(provider.handshakes).toEqual(["api.example"]);
  },
);

test.each(["other.example", "xn--hst-sna.example", "localhost"])(
  "a certificate that is not for %s is refused, whatever the address is (NET-105)",
  async (host) => {
    using provider = await startProvider();
    await using named = await openAt(`https://${host}:${provider.port}`);
    const answer = await named.call();
    expect([answer.status, jsonOf(answer).error.code]).toEqual([502, "bad_gateway"]);
    expect(provider.asked).toEqual([]);
    expect(provider.handshakes.filter((name) => name !== host)).toEqual([]);
    await named.lab.app.stop();
    expect(named.lab.app.log()).toContain("certificate is for another name");
  },
);

test("the connection that a certificate was checked on is not used for another name at the same address (NET-105)", async () => {
  using provider = await startProvider();
  await using right = await openAt(`https://api.example:${provider.port}`);
  await using wrong = await openAt(`https://other.example:${provider.port}`);
  expect((await right.call()).status).toBe(200);
  expect((await wrong.call()).status).toBe(502);
  expect((await right.call()).status).toBe(200);
  expect(new Set(provider.asked.map(({ host }) => host))).toEqual(new Set([`api.example:${provider.port}`]));
});

test("a provider that speaks nothing but HTTP/2 is a clear 502 (NET-105)", async () => {
  const server = createSecureServer({ key: certificates.key, cert: certificates.other, allowHTTP1: false });
  server.on("sessionError", () => {});
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await using named = await openAt(`https://api.example:${(server.address() as AddressInfo).port}`);
  const answer = await named.call();
  expect([answer.status, jsonOf(answer).error.code]).toEqual([502, "bad_gateway"]);
  await named.lab.app.stop();
  expect(named.lab.app.log()).toContain("nothing but HTTP/2");
  server.close();
});

test("a name with letters beyond ASCII stops the start and says how to write it (NET-105)", async () => {
  await expect(openAt("https://höst.example")).rejects.toThrow("beyond ASCII");
});
