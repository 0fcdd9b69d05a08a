/** Events of one stream. */
export const STREAM_EVENTS = 50;

/** Time between two events of a paced stream, in milliseconds. */
export const STREAM_PACE_MS = 10;

/** Length of the JSON answer, in bytes. */
export const JSON_ANSWER_BYTES = 1006;

/** Requests at once. */
export const CONNECTIONS = [1, 16, 64] as const;

/** One kind of traffic. */
export interface Scenario {
  /** Stands in the query, which every target passes on: the upstream answers by it. */
  readonly name: "json" | "burst" | "paced";
  readonly title: string;
  /** What is counted, singular. */
  readonly unit: "request" | "stream";
  /** What the latency columns are the time to. */
  readonly latencyTo: "the end of the answer" | "its first byte";
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "json",
    title: `JSON: 300 B up, ${JSON_ANSWER_BYTES} B down`,
    unit: "request",
    latencyTo: "the end of the answer",
  },
  {
    name: "burst",
    title: `SSE: ${STREAM_EVENTS} chunks, back to back`,
    unit: "stream",
    latencyTo: "the end of the answer",
  },
  {
    name: "paced",
    title: `SSE: ${STREAM_EVENTS} chunks, one each ${STREAM_PACE_MS} ms`,
    unit: "stream",
    latencyTo: "its first byte",
  },
];

/** The request target of a scenario, on every target. */
export function pathOf(scenario: Scenario): string {
  return `/v1/chat/completions?case=${scenario.name}`;
}

/** The body of every request: a chat of 300 bytes. */
export function requestBody(): string {
  const empty = JSON.stringify({ model: "bench-model", messages: [{ role: "user", content: "" }] });
  return empty.replace('"content":""', `"content":"${"x".repeat(300 - empty.length)}"`);
}
