-- One row per proxied request whose token is known. No foreign keys: a row must never be refused.
CREATE TABLE usage_records (
  seq            INTEGER PRIMARY KEY NOT NULL,
  request_id     TEXT NOT NULL,
  timestamp      INTEGER NOT NULL,
  project_id     TEXT NOT NULL,
  token_id       TEXT NOT NULL,
  provider       TEXT NOT NULL,
  key_id         TEXT NOT NULL,
  method         TEXT NOT NULL,
  path           TEXT NOT NULL,
  status         INTEGER NOT NULL,
  outcome        TEXT NOT NULL CHECK (outcome IN (
    'complete', 'client_cancelled', 'upstream_cut', 'upstream_timeout', 'upstream_error', 'refused')),
  error_code     TEXT NOT NULL,
  is_stream      INTEGER NOT NULL CHECK (is_stream IN (0, 1)),
  duration_ms    INTEGER NOT NULL,
  ttfb_ms        INTEGER,
  request_bytes  INTEGER NOT NULL,
  response_bytes INTEGER NOT NULL
) STRICT;

CREATE INDEX idx_usage_request_id ON usage_records (request_id);
CREATE INDEX idx_usage_timestamp ON usage_records (timestamp);
CREATE INDEX idx_usage_project_timestamp ON usage_records (project_id, timestamp);
CREATE INDEX idx_usage_token_timestamp ON usage_records (token_id, timestamp);
