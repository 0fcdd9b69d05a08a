import type { KeyPair } from "./config/pem-files.ts";
import { readKeyPair } from "./config/pem-files.ts";
import type { Config } from "./config/settings.ts";
import type { Logger } from "./logging/logger.ts";
import { fail, ok, type Result } from "./result.ts";
import type { ListenFault, ServerTls } from "./server/listener.ts";

const intervalMsDefault = 10_000;

/** The certificate of the listeners as it now lies on the disk. */
export function readServerTls(
  config: Pick<Config, "tlsCertFile" | "tlsKeyFile" | "tlsMinVersion">,
): Result<ServerTls, { readonly code: "unreadable_certificate"; readonly message: string }> {
  const { tlsCertFile = "", tlsKeyFile = "", tlsMinVersion } = config;
  const pair = readKeyPair(tlsCertFile, tlsKeyFile);
  if (pair.ok) return ok({ ...pair.value, minVersion: tlsMinVersion });
  const { of, message } = pair.error;
  const place = of === "cert" ? `TLS_CERT_FILE "${tlsCertFile}"` : `TLS_KEY_FILE "${tlsKeyFile}"`;
  return fail({ code: "unreadable_certificate", message: `${place} ${message}` });
}

interface WatchDeps {
  /** What is shown now. */
  readonly current: KeyPair;
  readonly read: () => ReturnType<typeof readServerTls>;
  /** Shows another one on every listener. */
  readonly renew: (tls: ServerTls) => Result<void, ListenFault>;
  readonly logger: Logger;
  readonly intervalMs?: number;
}

/** Looks for another certificate. */
export interface CertificateWatch {
  /** Now, and not only in its turn. */
  look(): void;
  stop(): void;
}

/**
 * Looks at both files every 10 s and brings another certificate into use. Files that cannot be used, such as a
 * certificate whose key is still to be written, change nothing; that is logged once for each reason.
 */
export function watchCertificate(deps: WatchDeps): CertificateWatch {
  const { read, renew, logger, intervalMs = intervalMsDefault } = deps;
  let { current } = deps;
  let lastFault: string | undefined;
  let isStopped = false;

  /** @returns why not, if not */
  function renewIfOther(): string | undefined {
    const found = read();
    if (!found.ok) return found.error.message;
    if (found.value.cert === current.cert && found.value.key === current.key) return undefined;
    const renewed = renew(found.value);
    if (!renewed.ok) return renewed.error.message;
    current = found.value;
    logger.info("the certificate was renewed");
    return undefined;
  }

  function look(): void {
    if (isStopped) return; // a server that ends must not open its port again
    const error = renewIfOther();
    if (error !== undefined && error !== lastFault)
      logger.error("the certificate was not renewed; it is tried again", { error });
    lastFault = error;
  }

  const timer = setInterval(look, intervalMs);
  return {
    look,
    stop() {
      isStopped = true;
      clearInterval(timer);
    },
  };
}
