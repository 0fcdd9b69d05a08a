import { describe, expect, test } from "bun:test";
import { Secret } from "../src/secret.ts";
import { CommandError } from "./output.ts";
import { createProjectMaker } from "./setup-project.ts";

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** The management API as far as `setup` knows it; answers in turn. */
function scriptedApi(...answers: [status: number, body: unknown][]) {
  const asked: Asked[] = [];
  const manage = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    const text = await request.text();
    asked.push({
      method: request.method,
      path: pathname + search,
      body: text === "" ? undefined : JSON.parse(text),
    });
    const [status, body] = answers.shift() ?? [500, {}];
    return Response.json(body, { status });
  };
  return { asked, maker: createProjectMaker({ manage }) };
}

describe("the project of a setup", () => {
  test("is made with its provider and key", async () => {
    const { asked, maker } = scriptedApi([201, { id: "1", name: "p", provider: "openai" }]);
    const made = await maker.ensureProject({ name: "p", provider: "openai", key: new Secret("sk-1") });
    expect(made).toEqual({ id: "1", name: "p", provider: "openai", isNew: true });
    expect(asked[0]).toEqual({
      method: "POST",
      path: "/manage/projects",
      body: { name: "p", provider: "openai", api_key: "sk-1" },
    });
  });

  test("is found by its whole name where it is there already", async () => {
    const projects = [
      { id: "1", name: "p & q 2", provider: "x" },
      { id: "2", name: "p & q", provider: "claude" },
    ];
    const { asked, maker } = scriptedApi([409, {}], [200, projects]);
    const found = await maker.ensureProject({ name: "p & q", provider: "openai", key: undefined });
    expect(found).toEqual({ id: "2", name: "p & q", provider: "claude", isNew: false });
    expect(asked[1]?.path).toBe("/manage/projects?search=p%20%26%20q");
    expect(asked[0]?.body).toEqual({ name: "p & q", provider: "openai" });
  });

  test("that is refused says so in the words of the API", async () => {
    const { maker } = scriptedApi([
      400,
      { error: "too long", description: "Shorten it", code: "validation_failed" },
    ]);
    const made = maker.ensureProject({ name: "p", provider: "openai", key: undefined });
    await expect(made).rejects.toThrow(new CommandError("too long: Shorten it"));
  });
});

test("a token is asked for in minutes", async () => {
  const { asked, maker } = scriptedApi([
    201,
    { id: "t", token: "sk-wt-1", expires_at: "2026-01-01T00:00:00Z" },
  ]);
  const token = await maker.issueToken("p", 24);
  expect(token).toEqual({ id: "t", text: "sk-wt-1", expiresAt: "2026-01-01T00:00:00Z" });
  expect(asked[0]?.body).toEqual({ project_id: "p", duration_minutes: 1440 });
});
