import type { Caller } from "../audit/entry.ts";
import type { ClientIp } from "../client-ip.ts";

/** What the listener knows of a request before anybody has looked at it. */
export interface Arrival {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly headers: Headers;
  /** Of the peer, without port. */
  readonly address: string;
}

interface CallerDeps {
  readonly clientIp: ClientIp;
  readonly newId: () => string;
}

const saneId = /^[A-Za-z0-9._:-]{1,128}$/;
const userAgentMax = 500;
const refererMax = 500;

/** Reads who asks, as far as anybody may claim to be: ids are taken over where they are sane, else made (contract 1.2). */
export function readCaller(deps: CallerDeps, { method, path, headers, address }: Arrival): Caller {
  const idFrom = (name: string): string => {
    const given = headers.get(name);
    return given !== null && saneId.test(given) ? given : deps.newId();
  };
  return {
    actor: "anonymous",
    requestId: idFrom("x-request-id"),
    correlationId: idFrom("x-correlation-id"),
    ...deps.clientIp(address, headers),
    method,
    path,
    userAgent: (headers.get("user-agent") ?? "").slice(0, userAgentMax),
  };
}

/** The same caller once it has shown the management token; only then it may speak for the agent behind it. */
export function asManager(caller: Caller, headers: Headers): Caller {
  const forwarded = headers.get("x-forwarded-user-agent");
  const referer = readReferer(headers.get("x-forwarded-referer") ?? "");
  return {
    ...caller,
    actor: "management_api",
    userAgent: forwarded?.slice(0, userAgentMax) ?? caller.userAgent,
    details: {
      ...(referer !== undefined && { referer }),
      ...(headers.get("x-admin-origin") === "1" && { origin: "admin-ui" }),
    },
  };
}

/** Without user, query and fragment, which may hold a secret. */
function readReferer(text: string): string | undefined {
  const url = URL.parse(text);
  return url?.host ? `${url.protocol}//${url.host}${url.pathname}`.slice(0, refererMax) : undefined;
}
