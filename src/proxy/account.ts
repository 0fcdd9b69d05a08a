import { redact } from "../logging/redact.ts";
import { modelCharsMax, type RequestFacts, readRequestFacts } from "../provider/request-facts.ts";
import type { RouteKind } from "../provider/route.ts";
import type { AnswerFault, Metered, Outcome, UsageRecord } from "../usage/record.ts";
import { noUsage, type Usage } from "../usage/usage.ts";
import { requestHead } from "./body.ts";
import type { Metering } from "./meter.ts";
import type { RefusalCode } from "./refuse.ts";
import type { TextSample, TokenCounts } from "./token-count.ts";
import type { Trace } from "./trace.ts";

/** How a request ended: the one word that log, metrics and books share, and why. */
export interface Judged {
  readonly outcome: Outcome;
  readonly errorCode: RefusalCode | AnswerFault | "";
}

/** What a request used, as far as it is known without counting. */
interface Account {
  readonly metered: Metered;
  /** There where the usage has to be estimated from text. */
  readonly sample: TextSample | undefined;
}

/** Their input and output is text, so that it can be counted. */
const textKinds: ReadonlySet<RouteKind> = new Set([
  "chat",
  "completions",
  "responses",
  "messages",
  "gemini",
  "embeddings",
]);
/** Nothing is made for these. */
const freeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE"]);
/** Their streams have an event that says that they are whole. */
const endedKinds: ReadonlySet<RouteKind> = new Set([
  "chat",
  "completions",
  "responses",
  "messages",
  "gemini",
]);

/** The end of the bytes, and what the answer itself said: an error, or nothing of its end (STR-106, HTP-107). */
export function judge(trace: Trace, metering: Metering | undefined): Judged {
  const { refusal, end } = trace;
  const how = end?.outcome ?? outcomeOf(refusal?.code);
  const errorCode = refusal?.code ?? end?.errorCode ?? "";
  // Many clients hang up at the last event: they have had all of it.
  const hasAll = how === "complete" || (how === "client_cancelled" && metering?.reading.isLast === true);
  if (!hasAll || refusal !== undefined || metering === undefined) return { outcome: how, errorCode };
  if (metering.reading.error !== "") return { outcome: "upstream_error", errorCode: "provider_error" };
  if (isCut(metering, kindOf(trace))) return { outcome: "upstream_cut", errorCode: "stream_incomplete" };
  return { outcome: "complete", errorCode };
}

function isCut({ reading, framing, fault }: Metering, kind: RouteKind): boolean {
  if (reading.isEnded !== undefined) return !reading.isEnded;
  return framing === "events" && endedKinds.has(kind) && fault === "";
}

function outcomeOf(code: RefusalCode | undefined): Outcome {
  switch (code) {
    case "client_cancelled":
      return "client_cancelled";
    case "timeout":
      return "upstream_timeout";
    case "bad_gateway":
      return "upstream_error";
    default:
      return "refused";
  }
}

/** What there is to be entered in the books. */
export function accountOf(trace: Trace, metering: Metering | undefined): Account {
  const facts = factsOf(trace);
  const reading = metering?.reading;
  const usage = usageOf(trace, metering, facts);
  const isKnown = usage !== undefined && !(reading?.isUsageEarly && reading.text.characters > 0);
  return {
    metered: {
      model: shownModel(facts?.model ?? ""),
      answeredModel: shownModel(reading?.model ?? ""),
      usage: usage ?? null,
      // What was counted elsewhere is not billed here.
      usageRaw: usage === noUsage ? "" : redact(reading?.rawUsage ?? ""),
      alsoBilled: usage === noUsage ? [] : (reading?.alsoBilled ?? []),
    },
    sample: isKnown ? undefined : sampleOf(trace, metering),
  };
}

/** A secret that stands there by mistake must not get into the books. */
export function shownModel(model: string): string {
  return redact(model).slice(0, modelCharsMax);
}

/** The record with an estimate in it: of all, or of the output that no count of the provider's has to its end. */
export function withEstimate<R extends Pick<UsageRecord, "usage">>(record: R, counts: TokenCounts): R {
  const { inputTokens, outputTokens } = counts;
  const before = record.usage;
  const usage: Usage = {
    ...(before ?? noUsage),
    inputTokens: before?.inputTokens ?? inputTokens,
    outputTokens: Math.max(before?.outputTokens ?? 0, outputTokens),
    source: "estimated",
  };
  return { ...record, usage };
}

function kindOf(trace: Trace): RouteKind {
  return trace.route?.kind ?? "other";
}

function factsOf({ arrival, permit, body, route, hold }: Trace): RequestFacts | undefined {
  if (permit === undefined || route === undefined) return undefined;
  if (body?.kind === "streamed") return body.facts.facts();
  if (hold !== undefined) return hold.facts;
  const isCoded = arrival.request.headers.has("content-encoding");
  const bytes = body?.kind === "held" && !isCoded ? body.bytes : new Uint8Array();
  return readRequestFacts(requestHead(arrival, permit), bytes);
}

/** null: it cannot be known; undefined: it has to be estimated. */
function usageOf(
  trace: Trace,
  metering: Metering | undefined,
  facts: RequestFacts | undefined,
): Usage | null | undefined {
  const { arrival, hold, reply } = trace;
  const kind = kindOf(trace);
  const isSocket = reply?.upstream.status === 101;
  if (freeMethods.has(arrival.request.method) && !isSocket) return noUsage;
  if (hold === undefined || hold.isReleased() || kind === "count_tokens") return noUsage;
  if (reply !== undefined && !isSocket && reply.upstream.status >= 300) return noUsage;
  const reading = metering?.reading;
  if (reading?.usage) return withCharacters(reading.usage, facts);
  if (reading?.isPending) return null;
  if (reading && reading.error !== "" && reading.text.characters === 0) return noUsage;
  if (kind === "speech" && reply !== undefined) return withCharacters(noUsage, facts);
  return textKinds.has(kind) && sampleOf(trace, metering) !== undefined ? undefined : null;
}

/** Speech is paid by the characters of its text, which stand in the request. */
function withCharacters(usage: Usage, facts: RequestFacts | undefined): Usage {
  return facts !== undefined && facts.characters > 0 ? { ...usage, characters: facts.characters } : usage;
}

/** undefined where too much is missing to count: a body that was not held, or is compressed, an answer that cannot be read. */
function sampleOf({ arrival, body }: Trace, metering: Metering | undefined): TextSample | undefined {
  const isCoded = arrival.request.headers.has("content-encoding");
  if (body?.kind !== "held" || isCoded) return undefined;
  const { sample = "", characters = 0 } = metering?.reading.text ?? {};
  return { body: body.bytes, written: sample, writtenChars: characters };
}
