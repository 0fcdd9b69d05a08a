/**
 * A query (with its `?`, or "") without the parameters that are dropped, every other byte as it was. Names and values
 * are read as any server might: percent-encoded, and after `;` as well as after `&`.
 */
export function withoutParameters(
  query: string,
  isDropped: (name: string, value: string) => boolean,
): string {
  const parts = query.slice(1).split(/(?=[&;])/);
  const kept = parts.filter((part) => {
    const [name = "", value = ""] = part.replace(/^[&;]/, "").split(/=(.*)/s, 2).map(decode);
    return !isDropped(name, value);
  });
  if (kept.length === parts.length) return query;
  const rest = kept.join("");
  // Without the first one, the next begins with what stood between them.
  const text = kept[0] === parts[0] ? rest : rest.slice(1);
  return text === "" ? "" : `?${text}`;
}

/** Percent-encodings of printable ASCII resolved where they are right; a credential has no others. */
function decode(text: string): string {
  return text.replace(/%([2-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
