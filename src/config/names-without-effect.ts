/** Names that earlier versions or their samples knew, or that belong to a later step, and what to do instead. */
const reasons: readonly { readonly names: string; readonly instead: string }[] = [
  {
    names:
      "REDIS_ADDR REDIS_DB REDIS_USERNAME REDIS_PASSWORD REDIS_TLS REDIS_STREAM_KEY REDIS_CONSUMER_GROUP REDIS_CONSUMER_NAME REDIS_STREAM_MAX_LEN REDIS_STREAM_BLOCK_TIME REDIS_STREAM_CLAIM_TIME REDIS_STREAM_BATCH_SIZE REDIS_CACHE_URL REDIS_CACHE_KEY_PREFIX REDIS_CACHE_POOL_SIZE REDIS_CACHE_TIMEOUT REDIS_SCAN_COUNT",
    instead: "Redis is not in this version yet; a single server needs none",
  },
  {
    names:
      "HTTP_CACHE_ENABLED HTTP_CACHE_BACKEND HTTP_CACHE_STREAM_RESPONSES HTTP_CACHE_DEFAULT_TTL HTTP_CACHE_MAX_OBJECT_BYTES HTTP_CACHE_MAX_BYTES HTTP_CACHE_MAX_TTL CACHE_STATS_BUFFER_SIZE",
    instead: "the response cache is not in this version yet; every request goes to the provider",
  },
  {
    names:
      "LLM_PROXY_EVENT_BUS OBSERVABILITY_ENABLED OBSERVABILITY_BUFFER_SIZE OBSERVABILITY_MAX_REQUEST_BODY_BYTES OBSERVABILITY_MAX_RESPONSE_BODY_BYTES OBSERVABILITY_CACHE_HITS FILE_EVENT_LOG DISPATCHER_SERVICE DISPATCHER_ENDPOINT DISPATCHER_BUFFER DISPATCHER_BATCH_SIZE DISPATCHER_DETACH LLM_PROXY_API_KEY LLM_PROXY_DISPATCHER_VERBOSE LLM_PROXY_ENDPOINT EVENTDISPATCHER_FILE EVENTDISPATCHER_BUFFER",
    instead: "events and the dispatcher are not in this version yet; usage records are kept in the database",
  },
  {
    names:
      "GLOBAL_RATE_LIMIT IP_RATE_LIMIT DISTRIBUTED_RATE_LIMIT_ENABLED DISTRIBUTED_RATE_LIMIT_PREFIX DISTRIBUTED_RATE_LIMIT_KEY_SECRET DISTRIBUTED_RATE_LIMIT_WINDOW DISTRIBUTED_RATE_LIMIT_MAX DISTRIBUTED_RATE_LIMIT_FALLBACK DEFAULT_TOKEN_REQUEST_LIMIT",
    instead: "rate limits by setting are not in this version yet; give tokens a max_requests",
  },
  {
    names: "ADMIN_UI_LISTEN_ADDR ADMIN_UI_API_BASE_URL",
    instead:
      "the admin pages are to live in the server; use MANAGEMENT_LISTEN_ADDR for a listener of their own",
  },
  {
    names: "ADMIN_UI_PATH ADMIN_UI_ENABLED ADMIN_UI_TEMPLATE_DIR SESSION_SECRET",
    instead: "the admin pages are not in this version yet",
  },
  {
    names: "DATABASE_POOL_SIZE DATABASE_MAX_IDLE_CONNS DATABASE_CONN_MAX_LIFETIME",
    instead: "SQLite has no pool of connections, and no other database is in this version yet",
  },
  { names: "PORT", instead: "use LISTEN_ADDR=:8080" },
  { names: "MASK_API_KEYS VALIDATE_API_KEY_FORMAT", instead: "keys are masked always; remove it" },
  { names: "DEFAULT_TOKEN_LIFETIME", instead: "give each token its duration_minutes" },
  { names: "LOG_BINARY_RESPONSES WORKER_POOL_SIZE", instead: "nothing takes its place; remove it" },
];

/** Environment name to the sentence that says what holds instead. */
export const namesWithoutEffect: ReadonlyMap<string, string> = new Map(
  reasons.flatMap(({ names, instead }) => names.split(" ").map((name) => [name, instead])),
);
