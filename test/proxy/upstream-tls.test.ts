import { expect, test } from "bun:test";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer, type TlsOptions } from "node:tls";
import { startApp } from "../harness/app-in-process.ts";
import { certificates } from "../harness/certificates.ts";
import { localhostCertificate } from "../harness/localhost-certificate.ts";
import { exchange } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { jsonOf, requestBytes } from "./lab.ts";

/** A provider that tells whose certificate was shown to it, and which name was asked for. */
async function startSecured(options: TlsOptions) {
  const server = createServer({ key: certificates.key, ...options }, (socket) => {
    const peer = socket.getPeerCertificate()?.subject?.CN ?? "none";
    const { servername } = socket as { servername?: string | false };
    const body = JSON.stringify({ peer, name: servername || "none" });
    socket.on("error", () => {}); // whoever does not trust us resets
    socket.once("data", () =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    );
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

/** Providers with certificates good and bad, and a server that trusts each in a way of its own. */
async function openSecured() {
  const scope = new DisposableStack();
  const home = scope.use(temporaryDirectory()).path;
  const file = async (name: string, text: string) => {
    await Bun.write(join(home, name), text);
    return join(home, name);
  };
  const ca = await file("ca.pem", certificates.ca);
  const wrongCa = await file("wrong-ca.pem", localhostCertificate.cert);
  const cert = await file("client.pem", certificates.client);
  const key = await file("client.key", certificates.key);
  const start = async (options: TlsOptions) => {
    const server = await startSecured(options);
    scope.defer(server.close);
    return server.origin;
  };
  const plain = await start({ cert: certificates.server });
  const expired = await start({ cert: certificates.expired });
  const other = await start({ cert: certificates.other });
  const demanding = await start({
    cert: certificates.server,
    ca: certificates.ca,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const entries = {
    right: [plain, `{ca_file: ${ca}}`],
    "no-ca": [plain, "{}"],
    "wrong-ca": [plain, `{ca_file: ${wrongCa}}`],
    expired: [expired, `{ca_file: ${ca}}`],
    "other-name": [other, `{ca_file: ${ca}}`],
    named: [other, `{ca_file: ${ca}, server_name: api.example}`],
    mutual: [demanding, `{ca_file: ${ca}, cert_file: ${cert}, key_file: ${key}}`],
    "mutual-without": [demanding, `{ca_file: ${ca}}`],
  };
  const providers = Object.entries(entries).map(
    ([name, [origin, tls]]) =>
      `  ${name}: {base_url: "${origin}", allowed_methods: [GET, POST], allowed_endpoints: ["/*"], tls: ${tls}, auth: query:key}\n`,
  );
  const app = await startApp({ upstream: "http://127.0.0.1:1", providers: providers.join("") });
  const tokens = new Map<string, string>();
  for (const name of Object.keys(entries)) {
    const project = await app.newProject({ provider: name });
    tokens.set(name, (await app.newToken(project.id)).token);
  }
  return {
    app,
    call: (provider: string) =>
      exchange(
        app.port,
        requestBytes("/v1/x", { token: tokens.get(provider) ?? "", method: "POST", body: "{}" }),
      ),
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      scope.dispose();
    },
  };
}

test("a provider is trusted by its authority, by another name, and by both sides (NET-105)", async () => {
  await using secured = await openSecured();
  for (const [provider, answer] of [
    ["right", { peer: "none", name: "none" }],
    ["named", { peer: "none", name: "api.example" }],
    ["mutual", { peer: "client", name: "none" }],
  ] as const) {
    const response = await secured.call(provider);
    expect([provider, response.status, jsonOf(response)]).toEqual([provider, 200, answer]);
  }
  // Nor is the connection that showed a certificate used for a provider that has none.
  expect((await secured.call("mutual-without")).status).toBe(502);
});

test("a provider that is not trusted is 502, and the log says why but not the key", async () => {
  await using secured = await openSecured();
  const reasons = {
    "no-ca": "an authority that is not trusted",
    "wrong-ca": "an authority that is not trusted",
    expired: "has expired",
    "other-name": "is for another name",
    "mutual-without": "demands a certificate",
  };
  for (const provider of Object.keys(reasons)) {
    const response = await secured.call(provider);
    expect([provider, response.status, jsonOf(response).error.code]).toEqual([provider, 502, "bad_gateway"]);
  }
  await secured.app.stop();
  const lines = secured.app.log().split("\n");
  for (const [provider, reason] of Object.entries(reasons)) {
    const line = lines.find(
      (each) => each.includes("could not be reached") && each.includes(`"${provider}"`),
    );
    expect(line).toContain(reason);
  }
  expect(secured.app.log()).not.toContain(secured.app.providerKey);
});
