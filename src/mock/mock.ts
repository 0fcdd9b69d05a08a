import { type Clock, systemClock } from "../clock.ts";
import type { Secret } from "../secret.ts";
import { type Answer, type Call, type Complaint, complain, isObject } from "./answer.ts";
import { anthropicError, countMessageTokens, message } from "./anthropic.ts";
import { type Delivery, pacedBody, pause } from "./body.ts";
import { FAULT_HEADER, FAULT_QUERY, type Fault, faultOfModel, parseFault } from "./faults.ts";
import { createFiles, type Files } from "./files.ts";
import { chatCompletion, completion, embeddings, openaiError } from "./openai.ts";
import { response } from "./responses.ts";

/** How a stand-in provider behaves. */
export interface MockOptions {
  /** The credential it demands, as `Authorization: Bearer` or `x-api-key`; absent: none. */
  readonly apiKey?: Secret;
  /** Time between the events of a stream. Default 30 ms, so that a reader sees it stream. */
  readonly paceMs?: number;
  readonly clock?: Clock;
}

/** A stand-in provider as a plain function of a request; it never rejects. */
export interface Mock {
  fetch(request: Request): Promise<Response>;
}

const PACE_MS = 30;
const MODELS = ["gpt-4.1-mini", "claude-sonnet-4-5", "text-embedding-3-small"] as const;
const GENERATE: Readonly<Record<string, (call: Call) => Answer>> = {
  "/v1/chat/completions": chatCompletion,
  "/v1/completions": completion,
  "/v1/responses": response,
  "/v1/embeddings": embeddings,
  "/v1/messages": message,
  "/v1/messages/count_tokens": countMessageTokens,
};

interface Visit {
  readonly request: Request;
  readonly url: URL;
  readonly dialect: "openai" | "anthropic";
  readonly id: (prefix: string) => string;
  readonly createdS: number;
}

/** Makes the stand-in for OpenAI's and Anthropic's APIs: JSON, streams, usage figures, and faults on demand. */
export function createMock(options: MockOptions = {}): Mock {
  const clock = options.clock ?? systemClock;
  const nowS = (): number => Math.floor(clock.now() / 1000);
  const files = createFiles(nowS);
  let served = 0;
  return {
    async fetch(request) {
      served += 1;
      const serial = String(served).padStart(6, "0");
      const url = new URL(request.url, "http://mock.invalid");
      const visit: Visit = {
        request,
        url,
        dialect: dialectOf(request, url),
        id: (prefix) => `${prefix}mock_${serial}`,
        createdS: nowS(),
      };
      const { answer, fault } = await answerTo(visit, options.apiKey, files);
      await pause(fault.delayMs ?? 0, request.signal);
      return respond(visit, answer, {
        fault,
        paceMs: options.paceMs ?? PACE_MS,
        signal: request.signal,
      });
    },
  };
}

function dialectOf(request: Request, url: URL): Visit["dialect"] {
  const isAnthropic = request.headers.has("anthropic-version") || /^\/v1\/messages(\/|$)/.test(url.pathname);
  return isAnthropic ? "anthropic" : "openai";
}

async function answerTo(
  visit: Visit,
  apiKey: Secret | undefined,
  files: Files,
): Promise<{ answer: Answer; fault: Fault }> {
  const { request, url } = visit;
  if (apiKey !== undefined && !holdsKey(request, apiKey)) {
    const answer = complain("Incorrect API key provided: give the key that the stand-in was started with", {
      status: 401,
    });
    return { answer, fault: {} };
  }
  const asked = request.headers.get(FAULT_HEADER) ?? url.searchParams.get(FAULT_QUERY) ?? "";
  const fault = parseFault(asked);
  if (!fault.ok) return { answer: complain(fault.error), fault: {} };

  const { answer, model } = await route(visit, files);
  const chosen = asked === "" ? faultOfModel(model) : fault.value;
  if (chosen.status === undefined) return { answer, fault: chosen };
  const told = `The stand-in was asked to fail with status ${chosen.status}`;
  return { answer: complain(told, { status: chosen.status }), fault: chosen };
}

function holdsKey(request: Request, apiKey: Secret): boolean {
  const bearer = /^Bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  return [bearer, request.headers.get("x-api-key")].includes(apiKey.reveal());
}

async function route(visit: Visit, files: Files): Promise<{ answer: Answer; model?: unknown }> {
  const { request, url } = visit;
  const generate = Object.hasOwn(GENERATE, url.pathname) ? GENERATE[url.pathname] : undefined;
  switch (`${request.method} ${url.pathname}`) {
    case "GET /v1/models":
      return { answer: { kind: "json", body: modelList(visit) } };
    case "GET /v1/files":
      return { answer: { kind: "json", body: files.list() } };
    case "POST /v1/files":
      return { answer: await upload(visit, files) };
  }
  if (generate === undefined) {
    return { answer: complain(`Invalid URL (${request.method} ${url.pathname})`, { status: 404 }) };
  }
  if (request.method !== "POST") {
    return { answer: complain(`Not allowed to ${request.method} on ${url.pathname}`, { status: 405 }) };
  }
  const body = await readJson(request);
  if (!isObject(body)) {
    return { answer: complain("We could not parse the JSON body of your request: it must be one object") };
  }
  return { answer: generate({ body, id: visit.id, createdS: visit.createdS }), model: body["model"] };
}

async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    return undefined; // not JSON, or the client has gone: the caller words the first, nobody reads the second
  }
}

async function upload({ request, id }: Visit, files: Files): Promise<Answer> {
  const form = await request.formData().catch(() => undefined);
  const file = form?.get("file");
  const purpose = form?.get("purpose");
  if (!(file instanceof File)) return complain("'file' is a required property", { param: "file" });
  if (typeof purpose !== "string") return complain("'purpose' is a required property", { param: "purpose" });
  return { kind: "json", body: files.add(id("file-"), file, purpose) };
}

function modelList({ dialect }: Visit): unknown {
  if (dialect === "openai") {
    const data = MODELS.map((id) => ({ id, object: "model", created: 1_735_689_600, owned_by: "mock" }));
    return { object: "list", data };
  }
  const data = MODELS.map((id) => ({
    type: "model",
    id,
    display_name: id,
    created_at: "2025-01-01T00:00:00Z",
  }));
  return { data, has_more: false, first_id: MODELS[0], last_id: MODELS.at(-1) };
}

function respond(visit: Visit, answer: Answer, delivery: Delivery): Response {
  const { fault } = delivery;
  const status = answer.kind === "complaint" ? answer.complaint.status : 200;
  const headers = new Headers({
    "content-type": answer.kind === "events" ? "text/event-stream; charset=utf-8" : "application/json",
    [visit.dialect === "anthropic" ? "request-id" : "x-request-id"]: visit.id("req_"),
  });
  if (answer.kind === "events") headers.set("cache-control", "no-cache");
  if (fault.retryAfterS !== undefined) headers.set("retry-after", String(fault.retryAfterS));
  const encoder = new TextEncoder();
  if (answer.kind === "events") {
    const pieces = answer.events.map((event) => encoder.encode(event));
    return new Response(pacedBody(pieces, delivery), { status, headers });
  }
  const json = JSON.stringify(answer.kind === "json" ? answer.body : wordComplaint(visit, answer.complaint));
  const bytes = encoder.encode(json);
  if (fault.cutAfter === undefined && fault.stallAfter === undefined) {
    return new Response(bytes, { status, headers });
  }
  const middle = bytes.length >> 1;
  const halves = [bytes.subarray(0, middle), bytes.subarray(middle)];
  return new Response(pacedBody(halves, delivery), { status, headers });
}

function wordComplaint(visit: Visit, complaint: Complaint): unknown {
  return visit.dialect === "anthropic" ? anthropicError(complaint, visit.id("req_")) : openaiError(complaint);
}
