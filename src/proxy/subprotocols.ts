import type { OpenKey } from "../cache/key-cache.ts";
import type { Provider } from "../provider/provider.ts";

/** How browsers, which cannot set headers, send their key to the Realtime API: as a subprotocol with this beginning. */
const keyPrefix = "openai-insecure-api-key.";

/** RFC 9110, 5.6.2: the characters that a subprotocol may have (RFC 6455, 4.1). */
const tokenForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The subprotocols that are offered to the provider. */
export interface Offer {
  readonly protocols: readonly string[];
  /** The provider's key is among them, so that no header has to carry it. */
  readonly hasKey: boolean;
}

/** The credentials among the subprotocols that a client offers. */
export function subprotocolKeys(headers: Headers): readonly string[] {
  return read(headers)
    .filter(isKey)
    .map((protocol) => protocol.slice(keyPrefix.length));
}

/**
 * What the client offers, less its credential; the provider's key takes its place where the client has sent one and
 * the provider wants a bearer.
 */
export function offerFor(headers: Headers, { auth }: Provider, key: OpenKey | undefined): Offer {
  const offered = read(headers);
  const others = offered.filter((protocol) => !isKey(protocol));
  const text = key?.text.reveal() ?? "";
  const hasKey = others.length < offered.length && auth.scheme === "bearer" && tokenForm.test(text);
  return { protocols: hasKey ? [...others, keyPrefix + text] : others, hasKey };
}

/**
 * The subprotocol that the client is told: the one that the provider chose. The client's own credential stands for
 * the provider's key, and for no choice where nothing else was offered. undefined: it is told none.
 */
export function chosenFor(headers: Headers, chosen: string): string | undefined {
  if (chosen !== "" && !isKey(chosen)) return chosen;
  return read(headers).find(isKey);
}

function isKey(protocol: string): boolean {
  return protocol.startsWith(keyPrefix);
}

/** Without those that are none, which nobody could choose; each once, or the handshake would be invalid. */
function read(headers: Headers): readonly string[] {
  const protocols = (headers.get("sec-websocket-protocol") ?? "").split(",").map((word) => word.trim());
  return [...new Set(protocols)].filter((protocol) => tokenForm.test(protocol));
}
