import { expect, test } from "bun:test";
import { didYouMean } from "./nearest.ts";

test.each([
  ["nam", ["name", "api_key"], " (did you mean name?)"],
  ["API_KEY", ["name", "api_key"], " (did you mean api_key?)"],
  ["project", ["project_id", "provider"], " (did you mean project_id?)"],
  ["colour", ["name", "api_key"], ""],
  ["x".repeat(1000), ["name"], ""],
  ["name", [], ""],
])("%p of %p", (given, known, expected) => {
  expect(didYouMean(given, known)).toBe(expected);
});
