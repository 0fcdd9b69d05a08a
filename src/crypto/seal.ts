import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { fail, ok, type Result } from "../result.ts";
import { Secret } from "../secret.ts";

/** Seals texts under one encryption key; fulfils `KeySealer` of project/provider-key.ts. */
export interface Sealer {
  /** @throws {RangeError} if the text is empty or longer than 4 KiB */
  seal(projectId: string, keyId: string, text: Secret): string;
  /** `unreadable`: sealed under another key or for another row, damaged, or no sealed text at all. */
  open(projectId: string, keyId: string, sealed: string): Result<Secret, "unreadable">;
}

/** Bytes of an encryption key. */
export const keyBytes = 32;

const prefix = "enc:v2:";
const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;
const textBytesMax = 4096;

/**
 * AES-256-GCM with a random nonce per text.
 * Format: `enc:v2:` + base64 of nonce (12 bytes) | ciphertext | tag (16 bytes).
 * Associated data: `${projectId}:${keyId}`, so that a row copied to another project does not open.
 * @param key 32 bytes
 */
export function createSealer(key: Uint8Array): Sealer {
  return {
    seal(projectId, keyId, text) {
      const plain = Buffer.from(text.reveal());
      if (plain.length === 0 || plain.length > textBytesMax)
        throw new RangeError(`A text to be sealed has 1 to ${textBytesMax} bytes, this one ${plain.length}`);
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
      cipher.setAAD(associated(projectId, keyId));
      const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      return prefix + sealed.toString("base64");
    },

    open(projectId, keyId, sealed) {
      const bytes = Buffer.from(sealed.slice(prefix.length), "base64");
      if (!sealed.startsWith(prefix) || bytes.length <= nonceBytes + tagBytes) return fail("unreadable");
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes), {
        authTagLength: tagBytes,
      });
      decipher.setAAD(associated(projectId, keyId));
      decipher.setAuthTag(bytes.subarray(-tagBytes));
      const ciphertext = bytes.subarray(nonceBytes, -tagBytes);
      try {
        return ok(new Secret(Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString()));
      } catch {
        return fail("unreadable"); // the tag does not fit: the only thing that final() throws for
      }
    },
  };
}

function associated(projectId: string, keyId: string): Buffer {
  return Buffer.from(`${projectId}:${keyId}`);
}
