import type { Static } from "@sinclair/typebox";
import { Type } from "@sinclair/typebox";
import type { Shaped } from "./shape.ts";
import { shape } from "./shape.ts";

// Every description ends the sentence "… must be". All scalars are text; units.ts reads them afterwards.
const word = (description: string) => Type.String({ description, minLength: 1 });
const words = (description: string) => Type.Array(word("a text"), { description });
const oneOrMore = (description: string) => Type.Array(word("a text"), { description, minItems: 1 });
const strict = { additionalProperties: false, description: "a map of known keys" };
const duration = Type.Optional(word("a duration such as 30s"));
const file = Type.Optional(word("the name of a file"));
const count = Type.Optional(word("a whole number"));

const apiSchema = Type.Object(
  {
    base_url: word("an address such as https://api.example.com"),
    private: Type.Optional(word("true or false")),
    dialect: Type.Optional(word("openai, anthropic, gemini or none")),
    // Its long and short form are told apart by provider-auth.ts.
    auth: Type.Optional(Type.Unknown()),
    static_headers: Type.Optional(
      Type.Record(Type.String(), Type.String({ description: "a text" }), {
        description: "a map of header to value",
      }),
    ),
    allowed_endpoints: oneOrMore("a list of one path or more"),
    allowed_methods: oneOrMore("a list of one method or more"),
    timeouts: Type.Optional(
      Type.Object(
        {
          request: duration,
          response_header: duration,
          stream_idle: duration,
          total: duration,
          idle_connection: duration,
          flush_interval: duration,
        },
        strict,
      ),
    ),
    retries: Type.Optional(
      Type.Object(
        { max: count, on_status: Type.Optional(words("a list of statuses")), max_delay: duration },
        strict,
      ),
    ),
    fallback: Type.Optional(
      Type.Union([word("a name"), Type.Array(word("the name of a provider"), { minItems: 1 })], {
        description: "the name of a provider, or a list of one or more",
      }),
    ),
    connection: Type.Optional(Type.Object({ max_idle_conns: count, max_idle_conns_per_host: count }, strict)),
    tls: Type.Optional(
      Type.Object(
        { ca_file: file, cert_file: file, key_file: file, server_name: Type.Optional(word("a host name")) },
        strict,
      ),
    ),
    param_whitelist: Type.Optional(
      Type.Record(Type.String(), oneOrMore("a list of one pattern or more"), {
        description: "a map of parameter to patterns",
      }),
    ),
    allowed_origins: Type.Optional(words("a list of origins")),
    required_headers: Type.Optional(words("a list of header names")),
  },
  strict,
);

const authSchema = Type.Object(
  {
    scheme: word("bearer, header, query or none"),
    name: Type.Optional(word("a text")),
    prefix: Type.Optional(Type.String({ description: "a text" })),
  },
  strict,
);

const fileSchema = Type.Object(
  {
    default_api: Type.Optional(word("the name of an entry")),
    apis: Type.Record(Type.String(), Type.Unknown(), {
      description: "a map of one provider or more",
      minProperties: 1,
    }),
  },
  strict,
);

/** One entry of `apis:` as written. */
export type ApiEntry = Static<typeof apiSchema>;
/** The long form of `auth:` as written. */
export type AuthEntry = Static<typeof authSchema>;

/** The whole file; entries of `apis` are looked at one by one with `shapeApi`. */
export function shapeFile(value: unknown): Shaped<Static<typeof fileSchema>> {
  return shape(fileSchema, value);
}

/** One entry of `apis:`. */
export function shapeApi(value: unknown): Shaped<ApiEntry> {
  return shape(apiSchema, value);
}

/** The long form of `auth:`. */
export function shapeAuth(value: unknown): Shaped<AuthEntry> {
  return shape(authSchema, value);
}
