import type { Headers } from "../harness/http-message.ts";
import type { RawResponse } from "../harness/raw-client.ts";
import type { ReceivedRequest } from "../harness/upstream-connection.ts";
import { caseField } from "./fuzz-case.ts";

/** What the upstream got. Text is latin-1: each character is a byte. */
export interface RequestView {
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  readonly body: string;
  readonly isWhole: boolean;
}

/** What the client got. */
export interface AnswerView {
  readonly status: number;
  readonly reason: string;
  readonly headers: Headers;
  readonly body: string;
  readonly isWhole: boolean;
}

/** One exchange, seen from both of its ends. */
export interface View {
  /** More than one where it was sent again. */
  readonly requests: readonly RequestView[];
  readonly answer: AnswerView;
}

export function viewOf(received: readonly ReceivedRequest[], response: RawResponse): View {
  return {
    requests: received.map(({ method, target, headers, body }) => ({
      method,
      target,
      headers: headers.filter(([name]) => name.toLowerCase() !== caseField.toLowerCase()),
      body: body.bytes().toString("latin1"),
      isWhole: body.complete,
    })),
    answer: {
      status: response.status,
      reason: reasonOf(response.headBytes),
      headers: response.headers,
      body: response.body.bytes().toString("latin1"),
      isWhole: response.complete,
    },
  };
}

function reasonOf(headBytes: Buffer): string {
  const line = headBytes.toString("latin1").split("\r\n", 1)[0] ?? "";
  return line.split(" ").slice(2).join(" ");
}

/** What is different, a line for each; none where both are the same. */
export function differences(direct: View, proxied: View): string[] {
  const found: string[] = [];
  const compare = (what: string, expected: unknown, got: unknown): void => {
    if (!Object.is(expected, got))
      found.push(`${what}: ${shown(expected)} directly, ${shown(got)} through the proxy`);
  };
  compare("requests at the provider", direct.requests.length, proxied.requests.length);
  for (const [index, expected] of direct.requests.entries()) {
    const got = proxied.requests[index];
    if (got === undefined) continue;
    compare("method", expected.method, got.method);
    compare("target", expected.target, got.target);
    compareHeaders("request", expected.headers, got.headers, compare);
    compare("request body", expected.body, got.body);
    compare("request is whole", expected.isWhole, got.isWhole);
  }
  compare("status", direct.answer.status, proxied.answer.status);
  compare("reason", direct.answer.reason, proxied.answer.reason);
  compareHeaders("answer", direct.answer.headers, proxied.answer.headers, compare);
  compare("answer body", direct.answer.body, proxied.answer.body);
  compare("answer is whole", direct.answer.isWhole, proxied.answer.isWhole);
  return found;
}

function compareHeaders(
  where: string,
  expected: Headers,
  got: Headers,
  compare: (what: string, expected: unknown, got: unknown) => void,
): void {
  const lines = (headers: Headers, name: string) =>
    headers.flatMap(([key, value]) => (key === name ? [value] : [])).join("\r\n") || undefined;
  for (const name of new Set([...expected, ...got].map(([key]) => key))) {
    const isEmpty = (headers: Headers) => headers.some(([key, value]) => key === name && value === "");
    compare(
      `${where} field ${name}`,
      lines(expected, name) ?? isEmpty(expected),
      lines(got, name) ?? isEmpty(got),
    );
  }
}

const shownMax = 300;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > shownMax ? `${text.slice(0, shownMax)}… (${text.length})` : text;
}
