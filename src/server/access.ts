import { pluginPagePath } from "../api/openapi.ts";

/** `metrics`: whoever has METRICS_TOKEN, or all where none is set. `nobody`: there for a plugin's sake only. */
export type Who = "public" | "management" | "metrics" | "nobody";

export interface Access {
  readonly method: string;
  /** As Elysia writes it: `:id` is one segment. */
  readonly path: string;
  readonly who: Who;
  /** It exists to say no; it is not listed in `Allow`. */
  readonly isRefusal?: true;
}

interface AccessSettings {
  readonly metricsPath: string;
  readonly isMetricsEnabled: boolean;
}

/** Who may call what. A route that is not here does not exist, registered or not (product.md, Routes). */
export function accessTable({ metricsPath, isMetricsEnabled }: AccessSettings): readonly Access[] {
  const row = (method: string, path: string, who: Who): Access => ({ method, path, who });
  return [
    row("GET", "/health", "public"),
    row("GET", "/ready", "public"),
    row("GET", "/live", "public"),
    ...(isMetricsEnabled
      ? [row("GET", metricsPath, "metrics"), row("GET", `${metricsPath}/prometheus`, "metrics")]
      : []),
    row("GET", "/docs", "public"),
    row("GET", "/docs/json", "public"),
    row("GET", "/docs/assets/:name", "public"),
    row("GET", pluginPagePath, "nobody"),

    row("GET", "/manage/projects", "management"),
    row("POST", "/manage/projects", "management"),
    row("GET", "/manage/projects/:id", "management"),
    row("PATCH", "/manage/projects/:id", "management"),
    { ...row("DELETE", "/manage/projects/:id", "management"), isRefusal: true },
    row("POST", "/manage/projects/:id/tokens/revoke", "management"),
    row("GET", "/manage/projects/:id/keys", "management"),
    row("POST", "/manage/projects/:id/keys", "management"),
    row("DELETE", "/manage/projects/:id/keys/:key_id", "management"),
    row("GET", "/manage/tokens", "management"),
    row("POST", "/manage/tokens", "management"),
    row("GET", "/manage/tokens/:id", "management"),
    row("PATCH", "/manage/tokens/:id", "management"),
    row("DELETE", "/manage/tokens/:id", "management"),
    row("GET", "/manage/audit", "management"),
    row("GET", "/manage/audit/:id", "management"),
    row("GET", "/manage/requests", "management"),
    row("GET", "/manage/requests/:request_id", "management"),
    row("GET", "/manage/usage", "management"),
    row("POST", "/manage/cache/purge", "management"),
  ];
}

/** Finds the row of a request; else the methods that its path has, none where there is no such path. */
export function findAccess(
  table: readonly Access[],
  { method, path }: { readonly method: string; readonly path: string },
): Access | { readonly allowed: readonly string[] } {
  const rows = table.filter((row) => row.who !== "nobody" && isMatch(row.path, path));
  const wanted = method === "HEAD" ? "GET" : method;
  const allowed = rows.filter((row) => !row.isRefusal).map((row) => row.method);
  return (
    rows.find((row) => row.method === wanted) ?? {
      allowed: allowed.flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name])),
    }
  );
}

function isMatch(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return (
    wanted.length === given.length &&
    wanted.every((segment, index) =>
      segment.startsWith(":") ? given[index] !== "" : segment === given[index],
    )
  );
}
