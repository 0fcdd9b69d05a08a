import { headerValue } from "../../test/harness/http-message.ts";
import type { ManageAnswer } from "../../test/harness/management.ts";
import { runCli, startProxy } from "../../test/harness/proxy-process.ts";
import type { Seen } from "./client.ts";
import type { Entry } from "./evidence.ts";
import { limits, type OpenTarget, type Stage } from "./target.ts";

/** Usage records are written in batches. */
const recordDeadlineMs = 5_000;
const recordPollMs = 50;

/** The compiled binary, one process for all stages; a project for each. */
export const openProduct: OpenTarget = async (stages, scale) => {
  const upstream = "http://127.0.0.1:9"; // the harness wants a default provider; nobody asks it
  const providers = stages.map((stage) => providerYaml(stage, scale)).join("");
  const proxy = await startProxy({ upstream, providers });
  const tokens = [];
  for (const stage of stages) {
    const project = await proxy.newProject({ provider: nameOf(stage) });
    tokens.push((await proxy.newToken(project.id)).token as string);
  }
  const { stdout } = await runCli(["version"]);
  return {
    name: "llm-proxy",
    version: /llm-proxy (\S+)[\s\S]*Commit: +(\S+)/.exec(stdout)?.slice(1).join(" ") ?? "",
    configuration: stages
      .slice(0, 1)
      .map((stage) => providerYaml(stage, scale))
      .join(""),
    doors: tokens.map((token) => ({ port: proxy.port, headers: { authorization: `Bearer ${token}` } })),
    entriesOf: (seen) => entriesOf(seen, (path) => proxy.manage("GET", path)),
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
};

function nameOf({ scenario }: Stage): string {
  return `scenario-${scenario.number}`;
}

const fallbackSuffix = "-fallback";

/** As `docs/providers.md` advises for two providers, one of which steps in for the other. */
function providerYaml(stage: Stage, scale: number): string {
  const name = nameOf(stage);
  const policy = `    allowed_methods: [POST]
    allowed_endpoints: [/v1/chat/completions]
    timeouts: { response_header: ${limits.responseHeaderMs * scale}ms, stream_idle: 60s }
    retries: { max: ${limits.retriesMax}, on_status: [${limits.retryOn.join(", ")}] }
`;
  return `  ${name}:
    base_url: ${stage.primary.origin}
${policy}    fallback: ${name}${fallbackSuffix}
  ${name}${fallbackSuffix}:
    base_url: ${stage.fallback.origin}
    auth: none
${policy}`;
}

/** The usage records of a call, once there is one. */
async function entriesOf(
  { headers }: Seen,
  get: (path: string) => Promise<ManageAnswer>,
): Promise<readonly Entry[]> {
  const requestId = headerValue(headers, "x-llm-proxy-request-id") ?? "";
  const giveUpAtMs = performance.now() + recordDeadlineMs;
  for (;;) {
    const { json } = await get(`/requests?request_id=${encodeURIComponent(requestId)}`);
    const records = (json?.requests ?? []) as readonly UsageJson[];
    if (records.length > 0 || performance.now() > giveUpAtMs) return records.map(toEntry);
    await Bun.sleep(recordPollMs);
  }
}

/** As much of a record of `GET /manage/requests` as is looked at. */
interface UsageJson {
  readonly status: number;
  readonly provider: string | null;
  readonly outcome: keyof typeof endings;
  readonly response_bytes: number;
}

const endings = {
  complete: "whole",
  upstream_error: "whole",
  upstream_cut: "cut",
  upstream_timeout: "cut",
  client_cancelled: "left",
  refused: "refused",
} as const;

function toEntry({ status, provider, outcome, response_bytes }: UsageJson): Entry {
  return {
    status,
    provider: provider?.endsWith(fallbackSuffix) ? "fallback" : "primary",
    ending: endings[outcome],
    bytes: response_bytes,
  };
}
