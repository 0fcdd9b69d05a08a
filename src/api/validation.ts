import type { TSchema } from "@sinclair/typebox";
import type { TypeCheck } from "@sinclair/typebox/compiler";
import { ValueErrorType } from "@sinclair/typebox/errors";
import type { ValidationError } from "elysia";
import { didYouMean } from "../nearest.ts";
import type { Problem } from "./problem.ts";

/** The texts that scripts match on where a required field is absent (contract 1.3). */
const missing: Readonly<Record<string, string>> = {
  "POST /manage/projects": "name and api_key are required",
  "POST /manage/tokens": "project_id and duration_minutes are required",
};

/** Words that a body is not even a JSON object. */
export function malformedProblem(route: string): Problem {
  return {
    code: "invalid_request_body",
    ...(route === "POST /manage/cache/purge" && { error: "invalid JSON" }), // scripts match on it (contract 1.3)
    description: "It must be one JSON object",
  };
}

/** Where several things are wrong, the one that explains most: a mistyped name before what it left out. */
const severity = [
  ValueErrorType.ObjectAdditionalProperties,
  ValueErrorType.ObjectRequiredProperty,
  ValueErrorType.StringMinLength,
];

/**
 * Words why a body or a query does not fit its schema: names the field, never its value, which may be a secret.
 * @param route as `POST /manage/projects`
 */
export function validationProblem(error: ValidationError, route: string): Problem {
  const validator = error.validator as TypeCheck<TSchema>; // all our schemas are TypeBox's
  const faults = [...validator.Errors(error.value)];
  const rank = ({ type }: { type: ValueErrorType }) =>
    (severity.indexOf(type) + severity.length + 1) % (severity.length + 1);
  const [fault] = faults.toSorted((a, b) => rank(a) - rank(b));
  if (fault === undefined) return { code: "invalid_request_body" };
  const field = fault.path.slice(1).replaceAll("~1", "/").replaceAll("~0", "~").slice(0, 100);
  const schema = fault.schema as Schema;
  switch (fault.type) {
    case ValueErrorType.ObjectAdditionalProperties: {
      const known = Object.keys(schema.properties ?? {});
      return {
        code: "validation_failed",
        field,
        error: `unknown ${error.type === "query" ? "parameter" : "field"} ${JSON.stringify(field)}${didYouMean(field, known)}`,
        description: known.length === 0 ? "This route takes none" : `Known are: ${known.join(", ")}`,
      };
    }
    case ValueErrorType.ObjectRequiredProperty:
    case ValueErrorType.StringMinLength:
      return {
        code: "validation_failed",
        field,
        error: missing[route] ?? `${field} is required`,
        description: `${field} is missing or empty`,
      };
    case ValueErrorType.StringMaxLength:
      return {
        code: "validation_failed",
        field,
        error: `${field} is longer than ${schema.maxLength} characters`,
      };
    default:
      return error.type === "body"
        ? { code: "invalid_request_body", field, description: `${field} must be ${wanted(schema)}` }
        : { code: "validation_failed", field, error: `${field} must be ${wanted(schema)}` };
  }
}

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly maxLength?: number;
}

const words: Readonly<Record<string, string>> = {
  string: "a string",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
};

/** What a schema asks for, as the end of a sentence. */
function wanted(schema: Schema): string {
  if (schema.anyOf) return schema.anyOf.map(wanted).join(" or ");
  return schema.const === undefined ? (words[schema.type ?? ""] ?? "of another type") : String(schema.const);
}
