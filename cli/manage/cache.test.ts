import { expect, test } from "bun:test";
import { recordedIo } from "../../test/harness/recorded-io.ts";
import { runMain } from "../main.ts";

/** Runs `manage cache purge` against a server that answers so. */
async function purge(flags: string, answer: Response) {
  const bodies: unknown[] = [];
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      bodies.push([request.method, new URL(request.url).pathname, await request.json()]);
      return answer;
    },
  });
  const io = recordedIo({ environment: { MANAGEMENT_TOKEN: "management-token-0123456789" } });
  const line = ["manage", "cache", "purge", "--api-base-url", server.url.origin, ...flags.split(" ")];
  const code = await runMain(line, io);
  return { code, out: io.out(), err: io.err(), bodies };
}

test.each([
  ["--method GET --url /v1/models", true, "Cache entry deleted successfully\n"],
  ["--method GET --url /v1/models", false, "Cache entry was not found\n"],
  ["--prefix /v1/", 3, "Cache prefix purge completed: 3 entries deleted\n"],
  ["--all", 0, "Cache purge completed: 0 entries deleted\n"],
  ["--all --json", 2, '{\n  "deleted": 2\n}\n'],
])("purge %s that deleted %p is told in the words that scripts know", async (flags, deleted, out) => {
  expect(await purge(flags, Response.json({ deleted }))).toMatchObject({ code: 0, out, err: "" });
});

test("every flag is a field of the call", async () => {
  const flags = "--method GET --url /a?b=c --prefix /a --project-id p --all";
  const { bodies } = await purge(flags, Response.json({ deleted: 0 }));
  const fields = { method: "GET", url: "/a?b=c", prefix: "/a", project_id: "p", all: true };
  expect(bodies).toEqual([["POST", "/manage/cache/purge", fields]]);
});

test("a server without a cache is a failure in its words", async () => {
  const body = { error: "caching is disabled", code: "caching_disabled", description: "Nothing to do" };
  const { code, out, err } = await purge("--all", Response.json(body, { status: 400 }));
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toContain("caching is disabled [caching_disabled]\nNothing to do\n");
});
