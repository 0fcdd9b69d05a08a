import { expect, test } from "bun:test";
import { join } from "node:path";
import { certificates } from "../../test/harness/certificates.ts";
import { localhostCertificate } from "../../test/harness/localhost-certificate.ts";
import { temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { readCertificates, readKeyPair } from "./pem-files.ts";

async function files(texts: Readonly<Record<string, string>>) {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(texts)) await Bun.write(join(directory.path, name), text);
  return {
    at: (name: string) => join(directory.path, name),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

const cut = certificates.server.replace(/\n[^\n]+\n-----END/, "\n-----END");

test("several certificates in one file are fine, one broken among them is not", async () => {
  using written = await files({
    both: certificates.server + certificates.ca,
    broken: certificates.server + cut,
    key: certificates.key,
  });
  expect(readCertificates(written.at("both"))).toEqual({
    ok: true,
    value: certificates.server + certificates.ca,
  });
  expect(readCertificates(written.at("broken"))).toEqual({
    ok: false,
    error: expect.stringContaining("broken"),
  });
  expect(readCertificates(written.at("key"))).toEqual({
    ok: false,
    error: expect.stringContaining("holds no certificate"),
  });
  expect(readCertificates(written.at("none"))).toEqual({ ok: false, error: "does not exist" });
});

test.each([
  ["none", "key", "cert", "does not exist"],
  ["cert", "none", "key", "does not exist"],
  ["cert", "cert", "key", "holds no private key"],
  ["cert", "other", "key", "holds no key for the certificate"],
])("a certificate in %s with the key in %s is refused because of the %s", async (cert, key, of, message) => {
  using written = await files({
    cert: certificates.server,
    key: certificates.key,
    other: localhostCertificate.key,
  });
  const pair = readKeyPair(written.at(cert), written.at(key));
  expect(pair).toEqual({ ok: false, error: { of: of as "cert", message: expect.stringContaining(message) } });
});
