-- Times are milliseconds since the epoch, UTC; booleans are 0 and 1.
CREATE TABLE projects (
  id             TEXT PRIMARY KEY NOT NULL,
  name           TEXT NOT NULL UNIQUE,
  provider       TEXT NOT NULL,
  is_active      INTEGER NOT NULL CHECK (is_active IN (0, 1)),
  deactivated_at INTEGER,
  created_at     INTEGER NOT NULL,
  updated_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE provider_keys (
  id         TEXT PRIMARY KEY NOT NULL,
  project_id TEXT NOT NULL REFERENCES projects (id),
  provider   TEXT NOT NULL,
  name       TEXT NOT NULL,
  weight     INTEGER NOT NULL CHECK (weight BETWEEN 1 AND 1000),
  sealed     TEXT NOT NULL,
  hint       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (project_id, provider, name)
) STRICT;

-- Facts about the database itself, such as the key check (docs/encryption.md).
CREATE TABLE meta (
  key   TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT;
