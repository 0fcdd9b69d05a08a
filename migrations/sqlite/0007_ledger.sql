-- Requests that were let through and have not ended yet. A process that dies leaves its rows behind; they are closed
-- as `unknown` by the next one (see nodes).
CREATE TABLE open_requests (
  -- Of our own: a caller may send the id of a request again while the first is under way.
  entry_id          TEXT PRIMARY KEY NOT NULL,
  request_id        TEXT NOT NULL,
  node_id           TEXT NOT NULL,
  timestamp         INTEGER NOT NULL,
  project_id        TEXT NOT NULL,
  token_id          TEXT NOT NULL,
  provider          TEXT NOT NULL,
  method            TEXT NOT NULL,
  path              TEXT NOT NULL,
  model             TEXT NOT NULL,
  reserved_nano_usd INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Only what is set aside is summed.
CREATE INDEX idx_open_requests_token ON open_requests (token_id, reserved_nano_usd) WHERE reserved_nano_usd > 0;
CREATE INDEX idx_open_requests_project ON open_requests (project_id, reserved_nano_usd) WHERE reserved_nano_usd > 0;

-- Processes that write to this database, with the last time they were seen alive.
CREATE TABLE nodes (
  id      TEXT PRIMARY KEY NOT NULL,
  host    TEXT NOT NULL,
  pid     INTEGER NOT NULL,
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What tokens and projects with a budget have spent in each of its periods.
CREATE TABLE budgets (
  scope_id       TEXT NOT NULL,
  period         TEXT NOT NULL,
  start_at       INTEGER NOT NULL,
  end_at         INTEGER NOT NULL,
  spent_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (scope_id, period, start_at)
) STRICT, WITHOUT ROWID;

-- Sums of the usage records, kept when these are deleted. `start_at` is the beginning of an hour or a day, UTC.
CREATE TABLE usage_hours (
  start_at            INTEGER NOT NULL,
  project_id          TEXT NOT NULL,
  token_id            TEXT NOT NULL,
  provider            TEXT NOT NULL,
  model               TEXT NOT NULL,
  outcome             TEXT NOT NULL,
  requests            INTEGER NOT NULL,
  estimated_requests  INTEGER NOT NULL,
  unpriced_requests   INTEGER NOT NULL,
  input_tokens        INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  cache_write_tokens  INTEGER NOT NULL,
  audio_input_tokens  INTEGER NOT NULL,
  output_tokens       INTEGER NOT NULL,
  reasoning_tokens    INTEGER NOT NULL,
  audio_output_tokens INTEGER NOT NULL,
  images              INTEGER NOT NULL,
  audio_ms            INTEGER NOT NULL,
  characters          INTEGER NOT NULL,
  web_searches        INTEGER NOT NULL,
  cost_nano_usd       INTEGER NOT NULL,
  PRIMARY KEY (start_at, project_id, token_id, provider, model, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_usage_hours_token ON usage_hours (token_id, start_at);
CREATE INDEX idx_usage_hours_project ON usage_hours (project_id, start_at);

CREATE TABLE usage_days (
  start_at            INTEGER NOT NULL,
  project_id          TEXT NOT NULL,
  token_id            TEXT NOT NULL,
  provider            TEXT NOT NULL,
  model               TEXT NOT NULL,
  outcome             TEXT NOT NULL,
  requests            INTEGER NOT NULL,
  estimated_requests  INTEGER NOT NULL,
  unpriced_requests   INTEGER NOT NULL,
  input_tokens        INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  cache_write_tokens  INTEGER NOT NULL,
  audio_input_tokens  INTEGER NOT NULL,
  output_tokens       INTEGER NOT NULL,
  reasoning_tokens    INTEGER NOT NULL,
  audio_output_tokens INTEGER NOT NULL,
  images              INTEGER NOT NULL,
  audio_ms            INTEGER NOT NULL,
  characters          INTEGER NOT NULL,
  web_searches        INTEGER NOT NULL,
  cost_nano_usd       INTEGER NOT NULL,
  PRIMARY KEY (start_at, project_id, token_id, provider, model, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_usage_days_token ON usage_days (token_id, start_at);
CREATE INDEX idx_usage_days_project ON usage_days (project_id, start_at);

-- The records get what they cost, and a word for those whose end nobody saw. A check cannot be changed in place, so the
-- table is made anew.
CREATE TABLE usage_records_new (
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
    'complete', 'client_cancelled', 'upstream_cut', 'upstream_timeout', 'upstream_error', 'refused', 'unknown')),
  error_code     TEXT NOT NULL,
  is_stream      INTEGER NOT NULL CHECK (is_stream IN (0, 1)),
  duration_ms    INTEGER NOT NULL,
  ttfb_ms        INTEGER,
  request_bytes  INTEGER NOT NULL,
  response_bytes INTEGER NOT NULL,
  model TEXT NOT NULL DEFAULT '',
  answered_model TEXT NOT NULL DEFAULT '',
  input_tokens INTEGER,
  cached_input_tokens INTEGER NOT NULL DEFAULT 0,
  cache_write_tokens INTEGER NOT NULL DEFAULT 0,
  cache_write_hour_tokens INTEGER NOT NULL DEFAULT 0,
  audio_input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  reasoning_tokens INTEGER NOT NULL DEFAULT 0,
  audio_output_tokens INTEGER NOT NULL DEFAULT 0,
  images INTEGER NOT NULL DEFAULT 0,
  audio_ms INTEGER NOT NULL DEFAULT 0,
  characters INTEGER NOT NULL DEFAULT 0,
  web_searches INTEGER NOT NULL DEFAULT 0,
  service_tier TEXT NOT NULL DEFAULT 'standard',
  is_estimated INTEGER NOT NULL DEFAULT 0 CHECK (is_estimated IN (0, 1)),
  reported_cost_nano_usd INTEGER,
  also_billed TEXT NOT NULL DEFAULT '[]',
  usage_raw TEXT NOT NULL DEFAULT '',
  -- null: not known, or no price
  cost_nano_usd  INTEGER
) STRICT;
INSERT INTO usage_records_new SELECT *, NULL FROM usage_records;
DROP TABLE usage_records;
ALTER TABLE usage_records_new RENAME TO usage_records;
CREATE INDEX idx_usage_request_id ON usage_records (request_id);
CREATE INDEX idx_usage_timestamp ON usage_records (timestamp);
CREATE INDEX idx_usage_project_timestamp ON usage_records (project_id, timestamp);
CREATE INDEX idx_usage_token_timestamp ON usage_records (token_id, timestamp);
