import { recordCommand } from "./records.ts";
import { usageSum } from "./usage-sum.ts";

export const usage = recordCommand({
  name: "usage",
  about: "Look at proxied requests, and sum what they used. Example: llm-proxy manage usage sum",
  more: { sum: usageSum },
  listAbout:
    "List proxied requests, newest first. Example: llm-proxy manage usage list --outcome refused --limit 20",
  filters: {
    "project-id": "Only requests of this project",
    "token-id": "Only requests with this token, by its id",
    provider: "Only requests to this provider",
    outcome:
      "Only complete, client_cancelled, upstream_cut, upstream_timeout, upstream_error, refused or unknown",
    model: "Only requests for this model",
    status: "Only answers with this status",
    "request-id": "Only the request that the caller saw under this id",
    "start-time": "Only from then on, as 2026-01-02T03:04:05Z",
    "end-time": "Only until then",
  },
  columns: {
    Status: ["status"],
    Outcome: ["error_code", "outcome"],
    Provider: ["provider"],
    Model: ["model", "path"],
    Answered: ["answered_model"],
    In: ["input_tokens"],
    Cached: ["cached_input_tokens"],
    Out: ["output_tokens"],
    Reasoning: ["reasoning_tokens"],
    Estimated: ["estimated"],
    ms: ["duration_ms"],
    Request: ["request_id"],
  },
  showAbout: "Show a proxied request. Example: llm-proxy manage usage show 1f0e…",
  idAbout: "The id that the caller saw in x-llm-proxy-request-id",
});
