-- `seq` keeps the order of writing. What is not known is an empty text. `metadata` is a JSON object.
CREATE TABLE audit_events (
  seq            INTEGER PRIMARY KEY NOT NULL,
  id             TEXT NOT NULL UNIQUE,
  timestamp      INTEGER NOT NULL,
  action         TEXT NOT NULL,
  actor          TEXT NOT NULL,
  project_id     TEXT NOT NULL,
  request_id     TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  client_ip      TEXT NOT NULL,
  method         TEXT NOT NULL,
  path           TEXT NOT NULL,
  user_agent     TEXT NOT NULL,
  outcome        TEXT NOT NULL CHECK (outcome IN ('success', 'failure', 'denied', 'error')),
  reason         TEXT NOT NULL,
  token_id       TEXT NOT NULL,
  metadata       TEXT NOT NULL
) STRICT;

-- Every index ends with seq by itself, so that a filtered list comes in order without sorting.
CREATE INDEX idx_audit_timestamp ON audit_events (timestamp);
CREATE INDEX idx_audit_action ON audit_events (action);
CREATE INDEX idx_audit_project_id ON audit_events (project_id);
CREATE INDEX idx_audit_token_id ON audit_events (token_id);
CREATE INDEX idx_audit_request_id ON audit_events (request_id);
CREATE INDEX idx_audit_client_ip ON audit_events (client_ip);
CREATE INDEX idx_audit_outcome ON audit_events (outcome);
