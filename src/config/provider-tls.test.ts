import { expect, test } from "bun:test";
import { join } from "node:path";
import { certificates } from "../../test/harness/certificates.ts";
import { temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { readTls } from "./provider-tls.ts";

test("files lie beside the provider file, and all that is wrong with them is told", async () => {
  using home = temporaryDirectory();
  await Bun.write(join(home.path, "ca.pem"), certificates.ca);
  await Bun.write(join(home.path, "client.pem"), certificates.client);
  await Bun.write(join(home.path, "client.key"), certificates.key);
  const told: string[] = [];
  const read = (entry: Parameters<typeof readTls>[0]) => {
    told.length = 0;
    return readTls(entry, join(home.path, "providers.yaml"), (field, message) =>
      told.push(`${field} ${message}`),
    );
  };
  const pair = { cert_file: "client.pem", key_file: join(home.path, "client.key") };
  expect(read({ ca_file: "ca.pem", ...pair, server_name: "api.example" })).toEqual({
    ca: certificates.ca,
    cert: certificates.client,
    key: certificates.key,
    serverName: "api.example",
  });
  expect(told).toEqual([]);
  read({ ca_file: "none.pem", cert_file: "client.pem", server_name: "https://x" });
  expect(told).toEqual([
    expect.stringContaining('server_name "https://x" is not a host name'),
    'ca_file "none.pem" does not exist',
    "key_file is missing: cert_file needs it",
  ]);
  read({ key_file: "client.key" });
  expect(told).toEqual(["cert_file is missing: key_file needs it"]);
  read({ cert_file: "client.pem", key_file: "ca.pem" });
  expect(told).toEqual([expect.stringContaining('key_file "ca.pem" holds no private key')]);
});
