import type { Findings } from "./findings.ts";
import { readKeyPair } from "./pem-files.ts";
import type { ProblemCode } from "./problem.ts";
import type { Config, SettingKey } from "./settings.ts";
import { settings } from "./settings.ts";
import { formatAddress } from "./units.ts";

const managementTokenLengthMin = 16;
const productionTokenLengthMin = 32;
// First segments that routes of the server or the APIs of providers have already.
const takenSegments = new Set(["manage", "admin", "health", "ready", "live", "docs", "v1", "v1beta"]);

type Refuse = (key: SettingKey, code: ProblemCode, message: string) => void;

/** What a server demands of its settings beyond each being right by itself. */
export function checkServer(config: Config, findings: Findings): void {
  const refuse: Refuse = (key, code, message) => {
    if (!findings.unread.has(key)) findings.problems.push({ code, name: settings[key].env, message });
  };
  checkSecrets(config, refuse, findings);
  checkTls(config, refuse);
  if (config.daemon && config.logFile === undefined) {
    refuse(
      "logFile",
      "missing",
      "is not set, which a server in the background needs: set it or use --log-file",
    );
  }
  if (takenSegments.has(config.metricsPath.split("/")[1] ?? "")) {
    refuse(
      "metricsPath",
      "conflict",
      `"${config.metricsPath}" lies under a path that is taken: choose another`,
    );
  }
  const second = config.managementListenAddr;
  if (
    second !== undefined &&
    second.port !== 0 &&
    formatAddress(second) === formatAddress(config.listenAddr)
  ) {
    refuse(
      "managementListenAddr",
      "conflict",
      "is the same as LISTEN_ADDR: choose another port or leave it out",
    );
  }
}

function checkTls({ enableTls, tlsCertFile, tlsKeyFile }: Config, refuse: Refuse): void {
  const files = { tlsCertFile, tlsKeyFile };
  for (const key of ["tlsCertFile", "tlsKeyFile"] as const) {
    if (enableTls && files[key] === undefined)
      refuse(key, "missing", "is not set, which ENABLE_TLS demands: name a PEM file");
    if (!enableTls && files[key] !== undefined)
      refuse(key, "conflict", "has no effect without ENABLE_TLS=true: set that, or leave this out");
  }
  if (!enableTls || tlsCertFile === undefined || tlsKeyFile === undefined) return;
  const pair = readKeyPair(tlsCertFile, tlsKeyFile);
  if (pair.ok) return;
  const { of, message } = pair.error;
  const [key, file] =
    of === "cert" ? (["tlsCertFile", tlsCertFile] as const) : (["tlsKeyFile", tlsKeyFile] as const);
  refuse(key, "unreadable_file", `"${file}" ${message}`);
}

function checkSecrets(config: Config, refuse: Refuse, findings: Findings): void {
  const isProduction = config.apiEnv === "production";
  const length = config.managementToken?.reveal().length;
  if (length === undefined) {
    refuse(
      "managementToken",
      "missing",
      "is not set: run llm-proxy setup, or set it or MANAGEMENT_TOKEN_FILE",
    );
  } else if (isProduction && length < productionTokenLengthMin) {
    const demand = `fewer than the ${productionTokenLengthMin} characters that API_ENV=production demands`;
    refuse("managementToken", "invalid_value", `has ${demand}: make one with openssl rand -hex 32`);
  } else if (length < managementTokenLengthMin) {
    const advice = `fewer than ${managementTokenLengthMin} characters: make one with openssl rand -hex 32`;
    findings.warnings.push(`MANAGEMENT_TOKEN has ${advice}`);
  }
  if (config.encryptionKey === undefined && (isProduction || config.requireEncryptionKey)) {
    const demand = isProduction ? "API_ENV=production" : "REQUIRE_ENCRYPTION_KEY";
    refuse(
      "encryptionKey",
      "missing",
      `is not set, which ${demand} demands: make one with openssl rand -base64 32`,
    );
  }
}
