-- What each request used. `input_tokens` is null where that is not known; the other counts mean nothing then. Parts are
-- in their wholes, see docs/usage.md. `also_billed` is a JSON array of texts, `usage_raw` the provider's own JSON.
ALTER TABLE usage_records ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE usage_records ADD COLUMN answered_model TEXT NOT NULL DEFAULT '';
ALTER TABLE usage_records ADD COLUMN input_tokens INTEGER;
ALTER TABLE usage_records ADD COLUMN cached_input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN cache_write_hour_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN audio_input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN audio_output_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN images INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN audio_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN characters INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN web_searches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN service_tier TEXT NOT NULL DEFAULT 'standard';
ALTER TABLE usage_records ADD COLUMN is_estimated INTEGER NOT NULL DEFAULT 0 CHECK (is_estimated IN (0, 1));
ALTER TABLE usage_records ADD COLUMN reported_cost_nano_usd INTEGER;
ALTER TABLE usage_records ADD COLUMN also_billed TEXT NOT NULL DEFAULT '[]';
ALTER TABLE usage_records ADD COLUMN usage_raw TEXT NOT NULL DEFAULT '';
