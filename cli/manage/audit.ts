import { recordCommand } from "./records.ts";

export const audit = recordCommand({
  name: "audit",
  about: "Look at who did what. Example: llm-proxy manage audit list",
  listAbout:
    "List audit events, newest first. Example: llm-proxy manage audit list --action token.create --limit 20",
  filters: {
    action: "Only this action, as token.create",
    actor: "Only this actor, as management_api",
    outcome: "Only success, failure, denied or error",
    "project-id": "Only events of this project",
    "token-id": "Only events of this token, by its id",
    "client-ip": "Only from this address",
    "request-id": "Only of this request",
    "correlation-id": "Only with this correlation id",
    method: "Only this HTTP method",
    path: "Only this path",
    search: "Only with this text somewhere",
    "start-time": "Only from then on, as 2026-01-02T03:04:05Z",
    "end-time": "Only until then",
  },
  columns: {
    Action: ["action"],
    Outcome: ["outcome"],
    Actor: ["actor"],
    Address: ["client_ip"],
    Project: ["project_id"],
    Token: ["token_id"],
    ID: ["id"],
  },
  showAbout: "Show an audit event. Example: llm-proxy manage audit show 3c2b…",
  idAbout: "Id of the event (UUID)",
});
