import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import { readTextFile } from "./text-file.ts";

/** A certificate, with those between it and its root after it, and its private key: PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Which of both files is wrong; the message is the end of a sentence that starts with its path. */
export interface KeyPairFault {
  readonly of: "cert" | "key";
  readonly message: string;
}

/** One certificate or more, in PEM. The error is the end of a sentence that starts with the path. */
export function readCertificates(path: string): Result<string, string> {
  const text = readTextFile(path);
  if (!text.ok) return text;
  const blocks = text.value.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? [];
  if (blocks.length === 0) return fail("holds no certificate in PEM form: name a file that does");
  return blocks.every(isCertificate) ? text : fail("holds a certificate that is broken: write it anew");
}

/** A certificate and the key that belongs to it. */
export function readKeyPair(certFile: string, keyFile: string): Result<KeyPair, KeyPairFault> {
  const cert = readCertificates(certFile);
  if (!cert.ok) return fail({ of: "cert", message: cert.error });
  const key = readTextFile(keyFile);
  if (!key.ok) return fail({ of: "key", message: key.error });
  const opened = openKey(key.value);
  if (opened === undefined) {
    return fail({
      of: "key",
      message: "holds no private key in PEM form, or one with a passphrase: take it off",
    });
  }
  if (!new X509Certificate(cert.value).checkPrivateKey(opened)) {
    const message = `holds no key for the certificate in ${certFile}: name the two that belong together`;
    return fail({ of: "key", message });
  }
  return ok({ cert: cert.value, key: key.value });
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function openKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined; // the library's reasons say nothing to an operator
  }
}
