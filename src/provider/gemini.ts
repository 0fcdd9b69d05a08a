import { type Dialect, wholeMessage } from "./dialect.ts";

/** Canonical names of google.rpc.Code for HTTP statuses. */
const statusNames: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  405: "UNIMPLEMENTED",
  413: "INVALID_ARGUMENT",
  415: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

/** Google's Gemini API: google.rpc.Status, with our code as the reason of an ErrorInfo. */
export const gemini: Dialect = {
  name: "gemini",
  requestIdHeader: "x-request-id",
  errorBody: (facts) => ({
    error: {
      code: facts.status,
      message: wholeMessage(facts),
      status: statusNames[facts.status] ?? "INTERNAL",
      details: [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: facts.code, domain: "llm-proxy" },
      ],
    },
  }),
  errorEvent: (facts) => `data: ${JSON.stringify(gemini.errorBody(facts))}\n\n`,
};
