import { newRequestId, type Stores } from "./app-stores.ts";
import type { ClientIp } from "./client-ip.ts";
import { systemClock } from "./clock.ts";
import type { Loaded } from "./config/load.ts";
import { createGate as createLimitGate } from "./limit/gate.ts";
import type { Logger } from "./logging/logger.ts";
import { redact } from "./logging/redact.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Provider } from "./provider/provider.ts";
import { accept } from "./proxy/accept.ts";
import { createArrive } from "./proxy/arrive.ts";
import { createAuthenticate } from "./proxy/authenticate.ts";
import { createAuthorise, createCheckPolicy } from "./proxy/authorise.ts";
import { createReadBody } from "./proxy/body.ts";
import { type CircuitState, createBreaker } from "./proxy/breaker.ts";
import { createCors } from "./proxy/cors.ts";
import { createEgress } from "./proxy/egress.ts";
import { createEmit } from "./proxy/emit.ts";
import { createEstimate } from "./proxy/estimate.ts";
import { createFindFallback } from "./proxy/fallback.ts";
import { reasonOf } from "./proxy/fault-reason.ts";
import { firstToConnect } from "./proxy/first-to-connect.ts";
import { createForward } from "./proxy/forward.ts";
import { createEnterLimits, createLimit } from "./proxy/limit.ts";
import { lookupName } from "./proxy/name-lookup.ts";
import { createPipeline, type DataPlane } from "./proxy/pipeline.ts";
import { createResolver } from "./proxy/resolver.ts";
import { createRetryBudget } from "./proxy/retry-budget.ts";
import { createUnexpected } from "./proxy/unexpected.ts";
import { createOpenSocket } from "./proxy/websocket.ts";
import { DatabaseFault } from "./storage/database-fault.ts";
import { version } from "./version.ts";

interface DataPlaneDeps {
  readonly loaded: Loaded;
  readonly stores: Stores;
  readonly clientIp: ClientIp;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Composed {
  readonly pipeline: DataPlane;
  /** How the circuits of the providers' hosts stand. */
  readonly circuits: () => readonly CircuitState[];
  /** Resolves when each request that has ended is in the books. */
  readonly settled: () => Promise<void>;
}

/** Puts the steps of the data plane together. */
export function composeDataPlane({ loaded, stores, clientIp, logger, metrics }: DataPlaneDeps): Composed {
  const { config, providers } = loaded;
  const cors = createCors({
    allowedOrigins: config.corsAllowedOrigins,
    allowedMethods: config.corsAllowedMethods,
    allowedHeaders: config.corsAllowedHeaders,
    maxAgeS: config.corsMaxAgeS,
  });
  const checkPolicy = createCheckPolicy({ providers, mayOrigin: cors.mayOrigin });
  const named = (origin: string) => [...providers.byName.values()].filter((each) => each.origin === origin);
  for (const name of providers.byName.keys()) metrics.circuitChanged(name, false);
  const breaker = createBreaker({
    clock: systemClock,
    failuresMin: config.circuitBreakerThreshold,
    cooldownMs: config.circuitBreakerCooldownMs,
    onChange(origin, isOpen) {
      for (const { name } of named(origin)) metrics.circuitChanged(name, isOpen);
      logger.warn(isOpen ? "a circuit opened: the host keeps failing" : "a circuit closed again", { origin });
    },
  });
  const grants = {
    ...stores.grants,
    find(hash: string) {
      stores.noticeForeignWrites();
      return stores.grants.find(hash);
    },
  };
  const calling = {
    keys: stores.keys,
    pool: stores.keyPool,
    breaker,
    egress: createEgress({
      resolve: createResolver({ lookup: lookupName, clock: systemClock }),
      connectFirst: firstToConnect,
      clock: systemClock,
    }),
    budget: createRetryBudget(),
    clock: systemClock,
    random: Math.random,
    version,
    onRetry: (provider: string) => metrics.upstreamRetried(provider),
    onKeyRest(provider: string, keyId: string, status: number, restMs: number) {
      metrics.keySetAside(provider, status);
      const facts = { provider, key_id: keyId, status_code: status, rest_ms: restMs };
      logger.warn("a provider key was set aside", facts);
    },
    onFault(provider: string, requestId: string, error: unknown) {
      const text = redact(reasonOf(error));
      logger.warn("a provider could not be reached", { provider, request_id: requestId, error: text });
    },
  };
  const emit = createEmit({
    logger,
    metrics,
    audit: stores.audit,
    clock: systemClock,
    ledger: stores.ledger,
    pricing: loaded.pricing,
    estimate: createEstimate({
      onFault: (error) =>
        logger.warn("the thread that counts tokens failed: estimates are rough until it works again", {
          error,
        }),
    }),
  });
  const pipeline = createPipeline({
    arrive: createArrive({ clock: systemClock, newId: newRequestId, clientIp }),
    accept,
    authenticate: createAuthenticate({ grants, clock: systemClock }),
    authorise: createAuthorise({
      providers,
      keys: stores.keys,
      enforceProjectActive: config.enforceProjectActive,
      checkPolicy,
    }),
    readBody: createReadBody({
      bytesMax: config.maxRequestBytes,
      silenceMs: config.clientBodyTimeoutMs,
      enableStreaming: config.enableStreaming,
    }),
    enterLimits: createEnterLimits({ gate: createLimitGate(), clock: systemClock }),
    limit: createLimit({
      ledger: stores.ledger,
      pricing: loaded.pricing,
      clock: systemClock,
      newId: newRequestId,
      onUnrecorded: config.ledgerFailure === "allow" ? tellUnrecorded(logger, metrics) : undefined,
    }),
    forward: createForward({
      ...calling,
      findFallback: createFindFallback({ providers, keys: stores.keys, checkPolicy }),
    }),
    openSocket: createOpenSocket({ ...calling, enableStreaming: config.enableStreaming }),
    emit,
    unexpected: createUnexpected({ logger, isStorageFault: (fault) => fault instanceof DatabaseFault }),
    cors,
    preflightProvider: (path) => providerOf(loaded, path),
    enter: createGate(config.maxConcurrentRequests),
    timingHeaders: config.timingHeaders,
  });
  return { pipeline, circuits: breaker.states, settled: emit.settled };
}

function tellUnrecorded(logger: Logger, metrics: Metrics): (error: unknown) => void {
  return (error) => {
    metrics.unrecorded();
    logger.error("a request passes unrecorded: the ledger cannot be written", { error });
  };
}

function providerOf({ providers: { byName, defaultName } }: Loaded, path: string): Provider {
  const named = byName.get(path.split("/", 2)[1] ?? "") ?? byName.get(defaultName);
  if (named === undefined) throw new Error(`the default provider ${defaultName} is not among the providers`);
  return named;
}

/** Lets at most `placesMax` in at once; 0 is no bound. */
function createGate(placesMax: number): () => (() => void) | undefined {
  let taken = 0;
  const leave = () => {
    taken--;
  };
  return () => {
    if (placesMax > 0 && taken >= placesMax) return undefined;
    taken++;
    return leave;
  };
}
