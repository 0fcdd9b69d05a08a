import { Elysia } from "elysia";
import type { Caller } from "../audit/entry.ts";
import type { Audit } from "../audit/service.ts";
import type { Projects } from "../project/service.ts";
import type { Tokens } from "../token/service.ts";
import type { UsageRepository } from "../usage/repository.ts";
import type { UsageSummary } from "../usage/summary.ts";
import type { Refuse } from "./refusal.ts";

/** What the management routes are made of. */
export interface RouteDeps {
  readonly projects: Projects;
  readonly tokens: Tokens;
  readonly audit: Audit;
  /** What was recorded before a call is in its answer. */
  readonly summary: UsageSummary;
  readonly usage: Pick<UsageRepository, "list" | "find">;
  /** Who asks. @throws {Error} for a request that did not pass the guard */
  readonly callerOf: (request: Request) => Caller;
  readonly refuse: Refuse;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * An Elysia for one family of routes. `normalize: false`: an unknown field is refused, not dropped. Bodies are read as
 * JSON objects whatever the Content-Type says: `curl -d` sends a form's.
 */
export function routesOf() {
  return new Elysia({ normalize: false }).parser("object", async ({ request }) => {
    const value: unknown = JSON.parse(utf8.decode(await request.arrayBuffer()));
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("no object");
    if (isDeeper(value, levelsMax)) throw new RangeError("nested too deep");
    return value;
  });
}

/** More than any field of ours has. To word what is wrong takes the square of the depth, or more stack than there is. */
const levelsMax = 16;

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

/** `parse` of a route with a body. "json" is never reached; it tells the reference what the body is. */
export const asObject: ["object", "json"] = ["object", "json"];

/** Switches a list to one state. */
export function readFlag(text: "true" | "false" | undefined): boolean | undefined {
  return text === undefined ? undefined : text === "true";
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether a text has the form of our ids. */
export function isUuid(text: string): boolean {
  return uuid.test(text);
}

/** The same without what is undefined, as optional properties are written here. */
export function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
