import type { Clock } from "../clock.ts";
import type { Gate, Place } from "../limit/gate.ts";
import type { Admission, Admitted, LedgerRefusal } from "../limit/ledger.ts";
import { type Bound, type LimitHit, mayUseModel } from "../limit/limits.ts";
import { worstOf } from "../provider/request-bounds.ts";
import { modelsMax, type RequestFacts, readRequestFacts } from "../provider/request-facts.ts";
import { fail, ok, type Result } from "../result.ts";
import { formatUsd } from "../usage/money.ts";
import { worstCase } from "../usage/price.ts";
import type { Pricing } from "../usage/price-table.ts";
import { shownModel } from "./account.ts";
import { requestHead } from "./body.ts";
import { boundsOfGrant, mustReadBody } from "./bounds.ts";
import type { Body, Call, Hold, Permit } from "./call.ts";
import type { Refusal } from "./refuse.ts";
import { shownPath } from "./shown-path.ts";

/** Step 4, before the body is read: the limits that are counted in this process. */
export function createEnterLimits({ gate, clock }: { readonly gate: Gate; readonly clock: Clock }) {
  return (permit: Permit): Result<Place, Refusal> => {
    const entered = gate.enter(boundsOfGrant(permit), clock.monotonic());
    return entered.ok ? entered : fail(refusalOf(entered.error));
  };
}

interface LimitDeps {
  readonly ledger: { admit(admission: Admission): Promise<Result<Admitted, LedgerRefusal>> };
  readonly pricing: Pick<Pricing, "priceOf">;
  readonly clock: Clock;
  /** Makes an id for an entry; those made one after another should lie side by side. */
  readonly newId: () => string;
  /** Told where the ledger could not be written, and the request may go on without (`LEDGER_FAILURE=allow`). */
  readonly onUnrecorded: ((error: unknown) => void) | undefined;
}

/** Step 4, with the body where a limit needs it: models, tokens, and the books. What is refused holds nothing. */
export function createLimit(deps: LimitDeps) {
  async function admit(admission: Admission): Promise<Result<Admitted, LedgerRefusal> | "unrecorded"> {
    try {
      return await deps.ledger.admit(admission);
    } catch (error) {
      if (deps.onUnrecorded === undefined) throw error;
      deps.onUnrecorded(error);
      return "unrecorded";
    }
  }

  return async (call: Call, permit: Permit, body: Body, place: Place): Promise<Result<Hold, Refusal>> => {
    const bounds = boundsOfGrant(permit);
    if (mustReadBody(permit) && body.kind === "held" && isCoded(call))
      return fail({ code: "unsupported_encoding" });
    const facts = factsOf(call, permit, body);
    const model = checkModels(bounds, facts, { body, path: permit.path });
    if (model !== undefined) return fail(model);
    const hit = place.reserveTokens(tokensOf(facts), deps.clock.monotonic());
    if (hit !== undefined) return fail(refusalOf(hit));
    const reserve = reserveOf(bounds, facts, call, { permit, body });
    if (!reserve.ok) return reserve;
    const { grant, provider, path } = permit;
    const entryId = deps.newId();
    const admitted = await admit({
      entryId,
      requestId: call.requestId,
      atMs: call.atMs,
      projectId: grant.project.id,
      tokenId: grant.token.id,
      provider: provider.name,
      method: call.request.method,
      path: shownPath(path),
      model: shownModel(facts.model),
      bounds,
      reserve: reserve.value,
    });
    if (admitted === "unrecorded") return ok(holdOf(facts, null, undefined));
    return admitted.ok ? ok(holdOf(facts, entryId, admitted.value)) : fail(budgetRefusal(admitted.error));
  };

  /** What to set aside of the budgets; 0 where there are none. */
  function reserveOf(
    bounds: readonly Bound[],
    facts: RequestFacts,
    call: Call,
    { permit, body }: { readonly permit: Permit; readonly body: Body },
  ): Result<bigint, Refusal> {
    const budgeted = bounds.filter(({ limits }) => limits.budgetNanoUsd !== null);
    if (budgeted.length === 0) return ok(0n);
    const price = deps.pricing.priceOf(facts.model);
    const { method } = call.request;
    const held = body.kind === "held" ? body.bytes : undefined;
    const worst = worstOf(
      { method, path: permit.path, isUpgrade: call.upgrade !== undefined, body: held },
      facts,
      price,
    );
    if (worst.kind === "free") return ok(0n);
    if (worst.kind === "bounded" && price !== undefined) return ok(worstCase(price, worst.usage));
    const strict = budgeted.find(({ limits }) => price !== undefined || limits.unpriced === "refuse");
    if (strict === undefined) return ok(0n);
    const why = worst.kind === "unbounded" ? worst.why : "";
    return fail({ code: "budget_exceeded", hit: { scope: strict.scope, limit: "budget" }, why });
  }
}

/** Nothing that a body holds can be known where it only passes. */
function factsOf(call: Call, permit: Permit, body: Body): RequestFacts {
  const bytes = body.kind === "held" && !isCoded(call) ? body.bytes : nothing;
  return readRequestFacts(requestHead(call, permit), bytes);
}

const nothing = new Uint8Array();

function isCoded({ request }: Call): boolean {
  return (request.headers.get("content-encoding") ?? "identity") !== "identity";
}

/** Every reading of the model has to be allowed; where a route takes one, none is no way round. */
function checkModels(
  bounds: readonly Bound[],
  { models, kind }: RequestFacts,
  { body, path }: { readonly body: Body; readonly path: string },
): Refusal | undefined {
  if (bounds.every(({ limits }) => limits.allowedModels === null)) return undefined;
  const named = [...models, ...modelsWithin(body), ...modelInPath(path)];
  for (const { scope, limits } of bounds) {
    const { allowedModels } = limits;
    if (allowedModels === null) continue;
    const wrong = named.find((model) => !mayUseModel(allowedModels, model));
    const isUnnamed = models.length === 0 && kind !== "other";
    const hit: LimitHit = { scope, limit: "allowed_models" };
    if (wrong !== undefined || isUnnamed || models.length >= modelsMax)
      return { code: "model_not_allowed", hit, model: wrong ?? "" };
  }
  return undefined;
}

/** Every model that stands anywhere in a JSON body: in lists to choose from, sessions, tools, batches. */
function modelsWithin(body: Body): readonly string[] {
  if (body.kind !== "held") return [];
  const found: string[] = [];
  const walk = (value: unknown, name: string): void => {
    if (typeof value === "string" && /^models?$/i.test(name)) found.push(value);
    else if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value)) walk(inner, Array.isArray(value) ? name : key);
  };
  try {
    walk(JSON.parse(new TextDecoder().decode(body.bytes)), "");
  } catch {
    return found; // no JSON, or one too deep: the rest is for the reader of the fields
  }
  return found;
}

/** Whatever is done with it. */
function modelInPath(path: string): readonly string[] {
  const name = /\/(?:models|deployments)\/([^/:]+)[:/]/i.exec(path)?.[1];
  return name === undefined ? [] : [name];
}

/** What a request may use, for `tpm`: four bytes of text are a token, and so many may come as it asks for at most. */
function tokensOf({ inputBytes, maxOutputTokens, choices }: RequestFacts): number {
  return Math.ceil(inputBytes / 4) + (maxOutputTokens ?? 0) * choices;
}

function refusalOf(hit: LimitHit): Refusal {
  if (hit.limit === "tpm") return { code: "tokens_per_minute_exceeded", hit };
  if (hit.limit === "max_concurrency") return { code: "concurrency_limit_exceeded", hit };
  return { code: "rate_limit_exceeded", hit };
}

function budgetRefusal({ neededNanoUsd, leftNanoUsd, ...hit }: LedgerRefusal): Refusal {
  if (hit.limit !== "budget") return refusalOf(hit);
  const why = `it may cost $${formatUsd(neededNanoUsd ?? 0n)}, and $${formatUsd(leftNanoUsd ?? 0n)} are left`;
  return { code: "budget_exceeded", hit, why };
}

function holdOf(facts: RequestFacts, entryId: string | null, admitted: Admitted | undefined): Hold {
  let isReleased = false;
  return {
    facts,
    entryId,
    remainingRequests: admitted?.remainingRequests,
    remainingNanoUsd: admitted?.remainingNanoUsd,
    isReleased: () => isReleased,
    release() {
      isReleased = true;
    },
  };
}
