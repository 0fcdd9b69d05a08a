/**
 * The text of a withering token: `sk-wt-` + 32 random bytes in base64url (43 characters) + the CRC-32 of all of
 * that in base64url (6 characters), 55 in all. The checksum tells a typo from an unknown token without a look-up;
 * it is no secret and proves nothing.
 */
const prefix = "sk-wt-";
const shape = /^sk-wt-[A-Za-z0-9_-]{49}$/;
const checkedLength = prefix.length + 43;

/** Makes a token text. `random` gives that many bytes from a CSPRNG. */
export function makeTokenText(random: (bytes: number) => Uint8Array): string {
  const body = prefix + Buffer.from(random(32)).toString("base64url");
  return body + checksum(body);
}

/** Whether a text has the form of our tokens, checksum aside: such a text is a credential wherever it stands. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith(prefix);
}

/** Whether the text is a token without a typo. */
export function isTokenText(text: string): boolean {
  return shape.test(text) && text.slice(checkedLength) === checksum(text.slice(0, checkedLength));
}

/** Lower-case hex SHA-256 of the whole text: all that is stored of it. */
export function hashToken(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}

/** The only form a token has after its creation: `sk-wt-…abcd`. */
export function maskToken(hint: string): string {
  return `${prefix}…${hint}`;
}

/** Last four characters, for `maskToken`. They are of the checksum, so that they tell nothing of the random part. */
export function tokenHint(text: string): string {
  return text.slice(-4);
}

function checksum(text: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(Bun.hash.crc32(text));
  return bytes.toString("base64url");
}
