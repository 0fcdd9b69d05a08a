import { startFakeUpstream } from "../../test/harness/fake-upstream.ts";
import type { Link, ReceivedRequest, Step } from "../../test/harness/upstream-connection.ts";
import { readBody } from "../../test/harness/upstream-steps.ts";
import type { Attempt, ProviderName } from "./attempt.ts";
import { act, type Script } from "./deeds.ts";

/**
 * What a provider does: a script for the first request, for the second and so on, the last one for all that follow; or
 * one chosen by the time since the first request, in unscaled milliseconds.
 */
export type Behaviour = readonly Script[] | ((sinceMs: number) => Script);

/** A provider that behaves as it is told and remembers what it was asked. */
export interface FakeProvider extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  readonly attempts: readonly Attempt[];
}

/** @param scale what every wait is multiplied with */
export async function startProvider(
  name: ProviderName,
  behaviour: Behaviour,
  scale: number,
): Promise<FakeProvider> {
  const attempts: Attempt[] = [];
  let startedMs: number | undefined;

  const nextScript = (): Script => {
    startedMs ??= performance.now();
    if (typeof behaviour === "function") return behaviour((performance.now() - startedMs) / scale);
    return behaviour[Math.min(attempts.length, behaviour.length) - 1] ?? [];
  };
  const play = async (link: Link, request: ReceivedRequest): Promise<void> => {
    const attempt = attemptOf(name, request);
    if (attempt === undefined) return link.reset();
    attempts.push(attempt);
    await act(nextScript(), { link, attempt, ms: (fullMs) => fullMs * scale });
    attempt.hasActed = true;
  };
  const upstream = await startFakeUpstream({
    answer: (request): Step[] => [readBody(), (link) => play(link, request)],
  });
  return { origin: upstream.origin, attempts, [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose]() };
}

/**
 * Undefined for what no call of ours can have caused: a program may have had our port in mind for another's.
 * @throws {Error} when a body came that is not of a call
 */
function attemptOf(provider: ProviderName, request: ReceivedRequest): Attempt | undefined {
  if (request.method !== "POST" || request.target !== "/v1/chat/completions") return undefined;
  const asked = parseBody(request);
  return {
    provider,
    callId: asked.user,
    atMs: performance.now(),
    isStream: asked.stream === true,
    messages: JSON.stringify(asked.messages),
    tokens: 0,
    bodyBytes: 0,
    isBilled: false,
    waitToldMs: 0,
    hasActed: false,
    isCut: () => request.connection.close !== undefined,
  };
}

interface Asked {
  readonly user: string;
  readonly stream?: boolean;
  readonly messages: unknown;
}

function parseBody({ headBytes, body }: ReceivedRequest): Asked {
  try {
    return JSON.parse(body.text()) as Asked;
  } catch {
    throw new Error(`No call has this body:\n${headBytes}${body.text()}`);
  }
}
