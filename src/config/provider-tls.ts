import { dirname, resolve } from "node:path";
import type { ProviderTls } from "../provider/provider.ts";
import { type KeyPair, readCertificates, readKeyPair } from "./pem-files.ts";
import type { ApiEntry } from "./provider-schema.ts";
import { quote } from "./values.ts";

type Entry = NonNullable<ApiEntry["tls"]>;
type Report = (field: keyof Entry, message: string, code?: "missing" | "unreadable_file") => void;

/**
 * Reads `tls:` of a provider and the files it names, which lie where the provider file does unless they are absolute.
 * What it gives counts only if nothing was reported.
 */
export function readTls(entry: Entry, providerFile: string, report: Report): ProviderTls {
  const place = (file: string) => resolve(dirname(providerFile), file);
  const { server_name: serverName } = entry;
  if (serverName !== undefined && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(serverName))
    report("server_name", `${quote(serverName)} is not a host name: write one such as api.example.com`);
  return {
    ...readAuthority(entry, place, report),
    ...readOwn(entry, place, report),
    ...(serverName !== undefined && { serverName }),
  };
}

function readAuthority(
  { ca_file: file }: Entry,
  place: (file: string) => string,
  report: Report,
): { readonly ca?: string } {
  if (file === undefined) return {};
  const ca = readCertificates(place(file));
  if (ca.ok) return { ca: ca.value };
  report("ca_file", `${quote(file)} ${ca.error}`, "unreadable_file");
  return {};
}

function readOwn(
  { cert_file: certFile, key_file: keyFile }: Entry,
  place: (file: string) => string,
  report: Report,
): Partial<KeyPair> {
  if (certFile === undefined || keyFile === undefined) {
    if (keyFile !== undefined) report("cert_file", "is missing: key_file needs it", "missing");
    if (certFile !== undefined) report("key_file", "is missing: cert_file needs it", "missing");
    return {};
  }
  const pair = readKeyPair(place(certFile), place(keyFile));
  if (pair.ok) return pair.value;
  const { of, message } = pair.error;
  report(`${of}_file`, `${quote(of === "cert" ? certFile : keyFile)} ${message}`, "unreadable_file");
  return {};
}
