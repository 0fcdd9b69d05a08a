import type { FuzzAnswer, FuzzCase, FuzzRequest } from "./fuzz-case.ts";

const triesMax = 80;

/** A smaller case that is still different, by leaving out what can be left out. @param isDifferent runs a case */
export async function shrink(
  fuzzCase: FuzzCase,
  isDifferent: (smaller: FuzzCase) => Promise<boolean>,
): Promise<FuzzCase> {
  let smallest = fuzzCase;
  let tries = 0;
  for (let isSmaller = true; isSmaller && tries < triesMax; ) {
    isSmaller = false;
    for (const candidate of smallerCases(smallest)) {
      if (++tries > triesMax) break;
      if (!(await isDifferent(candidate))) continue;
      smallest = candidate;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

function* smallerCases({ request, answer }: FuzzCase): Generator<FuzzCase> {
  for (const smaller of smallerRequests(request)) yield { request: smaller, answer };
  for (const smaller of smallerAnswers(answer)) yield { request, answer: smaller };
}

const wholeSegment = 1 << 30;

function* smallerRequests(request: FuzzRequest): Generator<FuzzRequest> {
  const { headers, pieces, target } = request;
  if (headers.length > 0) yield { ...request, headers: [] };
  if (pieces.length > 0) yield { ...request, framing: "none", pieces: [] };
  if (target !== "/v1") yield { ...request, target: "/v1" };
  if (request.segment !== wholeSegment) yield { ...request, segment: wholeSegment };
  for (const fewer of halves(headers)) yield { ...request, headers: fewer };
  for (const fewer of smallerPieces(pieces)) yield { ...request, pieces: fewer };
  const cut = target.lastIndexOf(target.includes("&") ? "&" : target.includes("?") ? "?" : "/");
  if (cut > 0) yield { ...request, target: target.slice(0, cut) };
}

function* smallerAnswers(answer: FuzzAnswer): Generator<FuzzAnswer> {
  const { headers, pieces } = answer;
  if (headers.length > 0) yield { ...answer, headers: [] };
  if (pieces.length > 0 && answer.end === "whole") yield { ...answer, pieces: [] };
  if (answer.segment !== wholeSegment) yield { ...answer, segment: wholeSegment };
  if (answer.hasEarlyHints) yield { ...answer, hasEarlyHints: false };
  for (const fewer of halves(headers)) yield { ...answer, headers: fewer };
  for (const fewer of smallerPieces(pieces)) yield { ...answer, pieces: fewer };
}

/** Its first half, its second half, and it without any one of its last few. */
function* halves<T>(list: readonly T[]): Generator<readonly T[]> {
  if (list.length < 2) return;
  const middle = list.length >> 1;
  yield list.slice(0, middle);
  yield list.slice(middle);
  if (list.length <= 6) for (const index of list.keys()) yield list.toSpliced(index, 1);
}

function* smallerPieces(pieces: readonly Buffer[]): Generator<readonly Buffer[]> {
  if (pieces.length > 1) yield [Buffer.concat(pieces)];
  yield* halves(pieces);
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined && only.length > 1)
    yield [only.subarray(0, only.length >> 1)];
}
