-- `hash` is the lower-case hex SHA-256 of the token text, `hint` its last four characters.
-- Counters end where a JSON number loses digits.
CREATE TABLE tokens (
  id              TEXT PRIMARY KEY NOT NULL,
  project_id      TEXT NOT NULL REFERENCES projects (id),
  hash            TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  hint            TEXT NOT NULL,
  expires_at      INTEGER NOT NULL,
  is_active       INTEGER NOT NULL CHECK (is_active IN (0, 1)),
  deactivated_at  INTEGER,
  max_requests    INTEGER CHECK (max_requests BETWEEN 1 AND 9007199254740991),
  request_count   INTEGER NOT NULL DEFAULT 0 CHECK (request_count BETWEEN 0 AND 9007199254740991),
  cache_hit_count INTEGER NOT NULL DEFAULT 0 CHECK (cache_hit_count BETWEEN 0 AND 9007199254740991),
  created_at      INTEGER NOT NULL,
  last_used_at    INTEGER
) STRICT;

CREATE INDEX idx_tokens_created ON tokens (created_at DESC, id);
CREATE INDEX idx_tokens_project_created ON tokens (project_id, created_at DESC, id);
CREATE INDEX idx_tokens_active_expires ON tokens (expires_at) WHERE is_active = 1;
