-- Limits of tokens and projects; null is no limit. `allowed_models` is a JSON array of texts, money is nano-dollars.
ALTER TABLE tokens ADD COLUMN rpm INTEGER CHECK (rpm >= 1);
ALTER TABLE tokens ADD COLUMN tpm INTEGER CHECK (tpm >= 1);
ALTER TABLE tokens ADD COLUMN max_concurrency INTEGER CHECK (max_concurrency >= 1);
ALTER TABLE tokens ADD COLUMN allowed_models TEXT;
ALTER TABLE tokens ADD COLUMN budget_nano_usd INTEGER CHECK (budget_nano_usd >= 1);
ALTER TABLE tokens ADD COLUMN budget_period TEXT NOT NULL DEFAULT 'total'
  CHECK (budget_period IN ('total', 'day', 'week', 'month'));
ALTER TABLE tokens ADD COLUMN unpriced TEXT NOT NULL DEFAULT 'refuse' CHECK (unpriced IN ('refuse', 'allow'));

ALTER TABLE projects ADD COLUMN expires_at INTEGER;
ALTER TABLE projects ADD COLUMN request_count INTEGER NOT NULL DEFAULT 0
  CHECK (request_count BETWEEN 0 AND 9007199254740991);
ALTER TABLE projects ADD COLUMN max_requests INTEGER CHECK (max_requests BETWEEN 1 AND 9007199254740991);
ALTER TABLE projects ADD COLUMN rpm INTEGER CHECK (rpm >= 1);
ALTER TABLE projects ADD COLUMN tpm INTEGER CHECK (tpm >= 1);
ALTER TABLE projects ADD COLUMN max_concurrency INTEGER CHECK (max_concurrency >= 1);
ALTER TABLE projects ADD COLUMN allowed_models TEXT;
ALTER TABLE projects ADD COLUMN budget_nano_usd INTEGER CHECK (budget_nano_usd >= 1);
ALTER TABLE projects ADD COLUMN budget_period TEXT NOT NULL DEFAULT 'total'
  CHECK (budget_period IN ('total', 'day', 'week', 'month'));
ALTER TABLE projects ADD COLUMN unpriced TEXT NOT NULL DEFAULT 'refuse' CHECK (unpriced IN ('refuse', 'allow'));
