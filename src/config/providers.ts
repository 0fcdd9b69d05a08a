import { didYouMean } from "../nearest.ts";
import type { DialectName, Provider, Providers, RetryPolicy } from "../provider/provider.ts";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import { parseBaseUrl } from "./base-url.ts";
import { checkHeaderName, checkMethod, checkOrigin, ownHeaders } from "./http-words.ts";
import { checkEndpoint, checkGlob } from "./policy-words.ts";
import type { Problem } from "./problem.ts";
import { readAuth } from "./provider-auth.ts";
import { followFallbacks } from "./provider-fallback.ts";
import { type Place, placeOf } from "./provider-place.ts";
import type { ApiEntry } from "./provider-schema.ts";
import { shapeApi, shapeFile } from "./provider-schema.ts";
import { readTls } from "./provider-tls.ts";
import type { ShapeFault } from "./shape.ts";
import { parseBoolean, parseDuration, parseInteger } from "./units.ts";
import { quote } from "./values.ts";
import { parseYaml } from "./yaml-file.ts";

/** Settings that stand in where the provider file says nothing. */
export interface ProviderDefaults {
  /** Goes before `default_api`. */
  readonly defaultName: string | undefined;
  readonly requestTimeoutMs: number;
  /** `*` is any. */
  readonly allowedOrigins: readonly string[];
  /** A provider may not be called as its first segment. */
  readonly metricsPath: string;
}

/** What stands around an entry of the file. */
interface Surroundings extends ProviderDefaults {
  readonly file: string;
}

const reservedNames = ["v1", "v1beta", "manage", "admin", "health", "ready", "live", "metrics", "docs"];
const dialects: readonly DialectName[] = ["openai", "anthropic", "gemini", "none"];

/** Takes down what is wrong at a place of the file. */
type Report = (path: readonly string[], message: string, code?: Problem["code"]) => void;

/**
 * Reads a provider file (contract 2.2). `file` is its name in problems. Everything that is wrong comes at once; an
 * unknown key, a wrong type or an invalid policy anywhere gives no providers at all.
 */
export function parseProviders(
  file: string,
  text: string,
  defaults: ProviderDefaults,
): Result<Providers, readonly Problem[]> {
  const yaml = parseYaml(file, text);
  if (!yaml.ok) return yaml;
  const problems: Problem[] = [];
  const report: Report = (path, message, code = "invalid_value") => {
    problems.push({ code, file, line: yaml.value.lineOf(path), name: nameOf(path), message });
  };
  const reportFaults = (path: readonly string[], faults: readonly ShapeFault[]): void => {
    for (const fault of faults) report([...path, ...fault.path], fault.message, fault.code);
  };

  const { value, faults } = shapeFile(yaml.value.value ?? {});
  reportFaults([], faults);
  const byName = new Map<string, Provider>();
  for (const [name, entry] of Object.entries(value.apis ?? {})) {
    const path = ["apis", name];
    const problem = checkName(name, defaults.metricsPath);
    if (problem !== undefined) report(path, problem);
    const shaped = shapeApi(entry);
    reportFaults(path, shaped.faults);
    byName.set(
      name,
      readApi(name, shaped.value, { ...defaults, file }, (rest, ...what) =>
        report([...path, ...rest], ...what),
      ),
    );
  }
  const names = [...byName.keys()];
  const defaultName = chooseDefault(names, value.default_api, defaults.defaultName, report);
  const followed = followFallbacks(
    byName,
    (name) => suggest(name, names),
    (name, ...what) => report(["apis", name, "fallback"], ...what),
  );
  return problems.length > 0 || defaultName === undefined
    ? fail(problems)
    : ok({ byName: followed, defaultName });
}

// DEFAULT_API_PROVIDER, then default_api, then the only one there is.
function chooseDefault(
  names: readonly string[],
  inFile: string | undefined,
  inSettings: string | undefined,
  report: Report,
): string | undefined {
  if (names.length === 0) return undefined;
  if (inFile !== undefined && !names.includes(inFile)) {
    report(["default_api"], `names no provider: ${quote(inFile)}${suggest(inFile, names)}`, "unknown_name");
  }
  if (inSettings !== undefined && !names.includes(inSettings)) {
    const message = `no provider is called ${quote(inSettings)}, as DEFAULT_API_PROVIDER says${suggest(inSettings, names)}`;
    report([], message, "unknown_name");
  }
  const chosen = inSettings ?? inFile ?? (names.length === 1 ? names[0] : undefined);
  if (chosen === undefined) {
    report([], "no default provider: set default_api or DEFAULT_API_PROVIDER to one of its names", "missing");
  }
  return chosen;
}

// `apis.openai.allowed_endpoints[2]`
function nameOf(path: readonly string[]): string {
  return path
    .map((step, index) => (/^\d+$/.test(step) ? `[${step}]` : index === 0 ? step : `.${step}`))
    .join("");
}

function suggest(name: string, names: readonly string[]): string {
  return didYouMean(name, names) || ` (there are ${names.join(", ")})`;
}

function checkName(name: string, metricsPath: string): string | undefined {
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) {
    return "is not a name for a provider: write small letters, digits, dots, dashes and underscores";
  }
  if (reservedNames.includes(name) || metricsPath.split("/")[1] === name) {
    return "is not a name for a provider: paths that begin with it have another meaning";
  }
  return undefined;
}

/** Reads the fields that have the right shape. What it gives counts only if nothing was reported. */
function readApi(name: string, entry: Partial<ApiEntry>, defaults: Surroundings, report: Report): Provider {
  const each = (
    key: "allowed_endpoints" | "allowed_methods" | "allowed_origins" | "required_headers",
    check: (text: string) => Result<string, string>,
  ): readonly string[] => {
    checkAll(entry[key] ?? [], check, (index, message) => report([key, index], message));
    return entry[key] ?? [];
  };
  const dialect = readDialect(entry.dialect, report);
  const auth = readAuth(entry.auth, dialect);
  if (!auth.ok) for (const fault of auth.error) report(["auth", ...fault.path], fault.message, fault.code);
  const authHeader = auth.ok && auth.value.scheme === "header" ? auth.value.name : "authorization";
  const hasAuthHeader = auth.ok && (auth.value.scheme === "header" || auth.value.scheme === "bearer");
  checkConnection(entry.connection, report);
  return {
    name,
    ...readPlace(entry, report),
    dialect,
    auth: auth.ok ? auth.value : { scheme: "none" },
    staticHeaders: readStaticHeaders(entry.static_headers, hasAuthHeader ? authHeader : undefined, report),
    allowedEndpoints: each("allowed_endpoints", checkEndpoint),
    allowedMethods: readMethods(each("allowed_methods", checkMethod)),
    timeouts: readTimeouts(entry.timeouts, defaults.requestTimeoutMs, report),
    retry: readRetries(entry.retries, report),
    fallback: entry.fallback === undefined ? [] : [entry.fallback].flat(),
    paramWhitelist: readParamWhitelist(entry.param_whitelist, report),
    allowedOrigins: readOrigins(
      entry.allowed_origins === undefined ? defaults.allowedOrigins : each("allowed_origins", checkOrigin),
    ),
    requiredHeaders: each("required_headers", checkHeaderName).map((header) => header.toLowerCase()),
    ...(entry.tls && {
      tls: readTls(entry.tls, defaults.file, (field, ...what) => report(["tls", field], ...what)),
    }),
  };
}

function checkAll(
  items: readonly string[],
  check: (text: string) => Result<string, string>,
  report: (index: string, message: string) => void,
): void {
  for (const [index, item] of items.entries()) {
    const checked = check(item);
    if (!checked.ok) report(String(index), `${quote(item)} ${checked.error}`);
  }
}

function readPlace({ base_url: text, private: written }: Partial<ApiEntry>, report: Report): Place {
  const isPrivate = written === undefined ? undefined : parseBoolean(written);
  if (isPrivate?.ok === false) report(["private"], `${quote(written ?? "")} ${isPrivate.error}`);
  const url = text === undefined ? undefined : parseBaseUrl(text);
  if (url?.ok === false) report(["base_url"], url.error);
  if (url?.ok !== true) return { origin: "", basePath: "", reach: "public" };
  return placeOf(url.value, isPrivate?.ok ? isPrivate.value : undefined);
}

function readDialect(text: string | undefined, report: Report): DialectName {
  const dialect = dialects.find((known) => known === (text ?? "openai"));
  if (dialect === undefined) report(["dialect"], `${quote(text ?? "")} is not one of ${dialects.join(", ")}`);
  return dialect ?? "openai";
}

function readMethods(written: readonly string[]): readonly string[] {
  const methods = new Set(written.map((method) => method.toUpperCase()));
  return [...methods, ...(methods.has("GET") && !methods.has("HEAD") ? ["HEAD"] : [])];
}

function readOrigins(origins: readonly string[]): readonly string[] {
  return origins.includes("*") ? [] : origins;
}

// Values can be secrets, so none of them is ever repeated.
function readStaticHeaders(
  entries: ApiEntry["static_headers"],
  authHeader: string | undefined,
  report: Report,
): Provider["staticHeaders"] {
  return Object.entries(entries ?? {}).map(([written, value]) => {
    const name = written.toLowerCase();
    const path = ["static_headers", written];
    if (!checkHeaderName(name).ok) report(path, "is not a header name");
    else if (ownHeaders.has(name)) report(path, "is set for each request by the proxy itself: remove it");
    else if (name === authHeader) report(path, "carries the provider key: remove it, or set auth: none");
    if (/[^\t\x20-\x7e]|^\s|\s$/.test(value))
      report(path, "has a value with line ends, outer blanks or letters beyond ASCII");
    return [name, value] as const;
  });
}

// idle_connection and flush_interval are checked and kept for files from before; the runtime has no use for them.
function readTimeouts(
  entries: ApiEntry["timeouts"],
  requestTimeoutMs: number,
  report: Report,
): Provider["timeouts"] {
  const read = (key: keyof NonNullable<ApiEntry["timeouts"]>, otherwise = 0): number => {
    const text = entries?.[key];
    if (text === undefined) return otherwise;
    const ms = parseDuration(text);
    if (!ms.ok) report(["timeouts", key], `${quote(text)} ${ms.error}`);
    return ms.ok ? ms.value : otherwise;
  };
  read("idle_connection");
  read("flush_interval");
  return {
    requestMs: read("request", requestTimeoutMs),
    responseHeaderMs: read("response_header"),
    streamIdleMs: read("stream_idle"),
    totalMs: read("total"),
  };
}

const retriesMax = 10;
const retryDefaults: RetryPolicy = { max: 2, onStatus: [], delayMsMax: 10_000 };

function readRetries(entries: ApiEntry["retries"] = {}, report: Report): RetryPolicy {
  const read = (key: "max" | "max_delay", parsed: Result<number, string>, otherwise: number): number => {
    if (!parsed.ok) report(["retries", key], `${quote(entries[key] ?? "")} ${parsed.error}`);
    return parsed.ok ? parsed.value : otherwise;
  };
  const { max, max_delay: delay, on_status: statuses = [] } = entries;
  checkAll(statuses, checkRetryStatus, (index, message) => report(["retries", "on_status", index], message));
  return {
    max: max === undefined ? retryDefaults.max : read("max", parseInteger(max, { max: retriesMax }), 0),
    onStatus: statuses.map(Number),
    delayMsMax: delay === undefined ? retryDefaults.delayMsMax : read("max_delay", parseDuration(delay), 0),
  };
}

function checkRetryStatus(text: string): Result<string, string> {
  return /^(408|409|425|429|5\d\d)$/.test(text) ? ok(text) : fail("is not 408, 409, 425, 429 or 5xx");
}

function checkConnection(entries: ApiEntry["connection"], report: Report): void {
  for (const [key, text] of Object.entries(entries ?? {})) {
    const count = parseInteger(text);
    if (!count.ok) report(["connection", key], `${quote(text)} ${count.error}`);
  }
}

function readParamWhitelist(
  entries: ApiEntry["param_whitelist"],
  report: Report,
): Provider["paramWhitelist"] {
  for (const [name, patterns] of Object.entries(entries ?? {})) {
    checkAll(patterns, checkGlob, (index, message) => report(["param_whitelist", name, index], message));
  }
  return new Map(Object.entries(entries ?? {}));
}
