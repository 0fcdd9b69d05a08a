import { describe, expect, test } from "bun:test";
import { formatProblem } from "./problem.ts";
import { parseProviders } from "./providers.ts";

/** A file with a provider for each name, one to a line from line 2 on, with these fields besides. */
function file(providers: Readonly<Record<string, string>>): string {
  const common = 'base_url: "http://h.example", allowed_methods: [POST], allowed_endpoints: ["/*"]';
  const entries = Object.entries(providers).map(([name, more]) => `  ${name}: {${common}, ${more}}`);
  return ["apis:", ...entries, "default_api: a", ""].join("\n");
}

function read(providers: Readonly<Record<string, string>>) {
  const settings = { requestTimeoutMs: 0, allowedOrigins: ["*"], metricsPath: "/metrics" };
  return parseProviders("p.yaml", file(providers), { defaultName: undefined, ...settings });
}

function problems(providers: Readonly<Record<string, string>>): readonly string[] {
  const result = read(providers);
  return result.ok ? [] : result.error.map(formatProblem);
}

describe("fallback", () => {
  test("is none, one or several; theirs come after all of its own, each once", () => {
    const result = read({
      a: "fallback: [b, c]",
      b: "fallback: d",
      c: "fallback: [d, e]",
      d: "",
      e: "auth: none",
    });
    const chains = result.ok ? [...result.value.byName.values()].map(({ fallback }) => fallback) : [];
    expect(chains).toEqual([["b", "c", "d", "e"], ["d"], ["d", "e"], [], []]);
  });

  test.each([
    [
      { a: "fallback: spar", spare: "" },
      'p.yaml:2: apis.a.fallback names no provider: "spar" (did you mean spare?)',
    ],
    [{ a: "fallback: [b, a]", b: "" }, "p.yaml:2: apis.a.fallback names the provider itself"],
    [
      { a: "", b: "fallback: a, dialect: anthropic" },
      "p.yaml:3: apis.b.fallback names a, which speaks openai and not anthropic",
    ],
    [
      { a: "fallback: b", b: "fallback: c", c: "fallback: a" },
      "p.yaml:4: apis.c.fallback leads back to where it began (a -> b -> c -> a)",
    ],
    [
      { a: "fallback: b", b: "fallback: [c]", c: "fallback: b" },
      "p.yaml:4: apis.c.fallback leads back to where it began (b -> c -> b)",
    ],
    [{ a: "fallback: []" }, "p.yaml:2: apis.a.fallback must be the name of a provider, or a list"],
    [
      { a: "fallback: {to: b}", b: "" },
      "p.yaml:2: apis.a.fallback must be the name of a provider, or a list",
    ],
  ] as [Record<string, string>, string][])("%p is refused, once", (providers, start) => {
    const found = problems(providers);
    expect(found.length).toBe(1);
    expect(found[0]).toStartWith(start);
  });
});
