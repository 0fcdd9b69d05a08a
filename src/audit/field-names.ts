/** The fields of a change as the API names them: `expiresAtMs` is `expires_at`. Those without a value are left out. */
export function fieldNames(change: object): string[] {
  return Object.entries(change)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}
