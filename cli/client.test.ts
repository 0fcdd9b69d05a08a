import { describe, expect, test } from "bun:test";
import { Secret } from "../src/secret.ts";
import { freePort } from "../test/harness/free-port.ts";
import { localhostCertificate } from "../test/harness/localhost-certificate.ts";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { type Client, createClient } from "./client.ts";
import { createHttpTransport } from "./client-http.ts";
import { runMain } from "./main.ts";
import { CommandError } from "./output.ts";

const managementToken = "management-canary-0123456789";

/** A management API that answers as a test says, and what it was asked. */
function stub(answer: (request: Request) => Response | Promise<Response>, options: object = {}) {
  const requests: { readonly url: string; readonly authorization: string | null }[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    ...options,
    fetch(request: Request) {
      requests.push({ url: request.url, authorization: request.headers.get("authorization") });
      return answer(request);
    },
  });
  return {
    url: server.url.origin,
    port: Number(server.port),
    requests,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

async function run(line: string, url: string) {
  const environment = { MANAGEMENT_TOKEN: managementToken, MANAGEMENT_API_BASE_URL: url };
  const io = recordedIo({ environment });
  const code = await runMain(line.split(" "), io);
  expect(io.out() + io.err()).not.toContain(managementToken);
  return { code, out: io.out(), err: io.err() };
}

const json = (value: unknown, init?: ResponseInit) => Response.json(value, init);

describe("CLI-105: whatever answers", () => {
  test("a redirect is told and not followed: the token goes to no other host", async () => {
    await using other = stub(() => json([]));
    await using server = stub(() => Response.redirect(`${other.url}/manage/tokens`, 302));
    const { code, out, err } = await run("manage token list", server.url);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toStartWith(
      `Error: ${server.url} answered 302, a redirect to ${other.url}, which is not followed`,
    );
    expect(other.requests).toEqual([]);
  });

  test("the token is sent to the server, and the path below that of its address", async () => {
    await using server = stub(() => json([]));
    await run("manage project list --search a%b --active=false", `${server.url}/behind/a/path/`);
    expect(server.requests.map(({ url }) => url)).toEqual([
      `${server.url}/behind/a/path/manage/projects?is_active=false&search=a%25b&page=1&page_size=100`,
    ]);
    expect(server.requests[0]?.authorization).toBe(`Bearer ${managementToken}`);
  });

  test.each([
    [
      "an HTML error page",
      () =>
        new Response("<html>oops</html>", {
          status: 502,
          headers: { "content-type": "text/html; charset=x" },
        }),
      "answered 502 with something of type text/html\n",
    ],
    [
      "an HTML page",
      () => new Response("<html>hello</html>", { headers: { "content-type": "text/html" } }),
      "answered something of type text/html that is not the management API's\n",
    ],
    [
      "10 MB of junk",
      () => new Response("\u001b[2J".repeat(2_500_000)),
      "that is not the management API's\n",
    ],
    [
      "17 MB of junk",
      () => new Response("x".repeat(17 * 1024 * 1024)),
      "answered more than 16 MiB, which no list of it has\n",
    ],
    [
      "an object for a list",
      () => json({ tokens: [] }),
      "something of type application/json that is not the management API's\n",
    ],
    ["a list of no objects", () => json([1]), "that is not the management API's\n"],
    [
      "an odd content type",
      () => new Response("", { status: 500, headers: { "content-type": "a b c" } }),
      "answered 500 with something\n",
    ],
    [
      "a provider's error",
      () => json({ error: { message: "no" } }, { status: 404 }),
      "answered 404 with something of type application/json\n",
    ],
  ])("%s becomes one clear line", async (_, answer, line) => {
    await using server = stub(answer);
    const { code, out, err } = await run("manage token list --json", server.url);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toStartWith(`Error: ${server.url} answered`);
    expect(err).toEndWith(`${line}Check --manage-api-base-url, or MANAGEMENT_API_BASE_URL\n`);
    expect(err.length).toBeLessThan(300);
  });

  test("an answer for one thing that is none is told", async () => {
    await using server = stub(() => json([]));
    expect((await run("manage token show x", server.url)).err).toContain("that is not the management API's");
  });

  test.each([
    [
      401,
      { error: "invalid management token", code: "unauthorized", description: "Send it" },
      "Error: invalid management token [unauthorized]\nSend it\n",
    ],
    [404, { error: "token not found" }, "Error: token not found\n"],
    [409, { error: "a\u001b[2Jb", code: "x\ny" }, "Error: a\ufffd[2Jb [x\ufffdy]\n"],
    [500, { error: "e".repeat(10_000) }, `Error: ${"e".repeat(500)}…\n`],
  ])("the words of a %d are printed", async (status, body, expected) => {
    await using server = stub(() => json(body, { status }));
    expect(await run("manage token show x", server.url)).toEqual({ code: 1, out: "", err: expected });
  });

  test("fields of another version are passed on, and missing ones do no harm", async () => {
    await using server = stub(() => json([{ id: "1", colour: "red" }]));
    const { out } = await run("manage token list --json", server.url);
    expect(JSON.parse(out)).toEqual([{ id: "1", colour: "red" }]);
    for (const noun of ["project list", "token list", "keys list --project-id x"]) {
      expect(await run(`manage ${noun}`, server.url)).toMatchObject({ code: 0, err: "" });
    }
  });

  test("times that are none are printed as they are", async () => {
    await using server = stub(() => json({ id: "1", created_at: "soon", updated_at: null }));
    const { out } = await run("manage project show 1", server.url);
    expect(out).toContain("Created:  soon\nUpdated:  \n");
  });
});

describe("CLI-102: no answer", () => {
  test("a server that is down is named, with what to do", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, out, err } = await run("manage project list", url);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toStartWith(`Error: Nobody answers at ${url}\nStart the server with llm-proxy server`);
  });

  test("a certificate that is not trusted is told", async () => {
    await using server = stub(() => json([]), { tls: localhostCertificate });
    const { code, err } = await run("manage project list", server.url.replace("http:", "https:"));
    expect(code).toBe(1);
    expect(err).toContain(`The certificate of https://127.0.0.1:${server.port} is not trusted (`);
  });

  const clientOf = (url: string): Client =>
    createClient(createHttpTransport(new Secret(managementToken), 100), url);

  test("an answer that does not begin is given up", async () => {
    await using server = stub(() => new Promise<Response>(() => {}));
    await expect(clientOf(server.url).tokens.show("x")).rejects.toThrow(
      new CommandError(`${server.url} did not answer within 0.1 s`),
    );
  });

  test("a body that never ends is given up", async () => {
    const pull = async (controller: ReadableStreamDefaultController): Promise<void> => {
      controller.enqueue(new TextEncoder().encode(" "));
      await Bun.sleep(10);
    };
    await using server = stub(() => new Response(new ReadableStream({ pull })));
    await expect(clientOf(server.url).tokens.show("x")).rejects.toThrow(
      new CommandError(`${server.url} did not answer within 0.1 s`),
    );
  });

  test("a body that is cut is told", async () => {
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket) {
          socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[");
        },
      },
    });
    try {
      await expect(clientOf(`http://127.0.0.1:${server.port}`).tokens.show("x")).rejects.toThrow(
        `No whole answer from http://127.0.0.1:${server.port}: `,
      );
    } finally {
      server.stop(true);
    }
  });
});

describe("plain http", () => {
  test("to another machine warns", async () => {
    await using server = stub(() => json([]), { hostname: "0.0.0.0" });
    const { code, err } = await run("manage project list", `http://0.0.0.0:${server.port}`);
    expect({ code, err }).toEqual({
      code: 0,
      err: "Warning: The management token goes over plain http: use https for another machine\n",
    });
  });

  test("to this one does not", async () => {
    await using server = stub(() => json([]));
    expect((await run("manage project list", `http://localhost:${server.port}`)).err).toBe("");
  });
});

describe("lists longer than a page", () => {
  const rows = Array.from({ length: 12_000 }, (_, index) => ({ id: `id-${index}`, token: "sk-wt-…abcd" }));
  const pageOf = ({ url }: Request, sizeMax: number) => {
    const query = new URL(url).searchParams;
    const size = Math.min(Number(query.get("page_size")), sizeMax);
    const from = (Number(query.get("page")) - 1) * size;
    return rows.slice(from, from + size);
  };
  const counted = (page: unknown) => json(page, { headers: { "x-total-count": String(rows.length) } });

  test.each([100, 37])("CLI-105: 12,000 tokens are listed whole, by pages of %d", async (size) => {
    await using server = stub((request) => counted(pageOf(request, size)));
    const { out } = await run("manage token list --json", server.url);
    expect(JSON.parse(out)).toEqual(rows);
    expect(server.requests.length).toBe(Math.ceil(rows.length / size));
  });

  test("a row that slips to the next page is listed once", async () => {
    await using server = stub((request) =>
      counted(pageOf(request, 100).concat({ id: "id-0", token: "again" })),
    );
    const { out } = await run("manage token list --json", server.url);
    const ids = (JSON.parse(out) as { id: string }[]).map(({ id }) => id);
    expect(ids.length).toBe(new Set(ids).size);
  });

  test("a server that does not count gave all at once", async () => {
    await using server = stub(() => json(rows));
    expect(JSON.parse((await run("manage token list --json", server.url)).out)).toHaveLength(12_000);
    expect(server.requests.length).toBe(1);
  });

  test("a list that shrinks meanwhile ends", async () => {
    await using server = stub(({ url }) => counted(url.includes("page=1&") ? rows.slice(0, 100) : []));
    expect(JSON.parse((await run("manage token list --json", server.url)).out)).toHaveLength(100);
  });

  const records = (request: Request) =>
    json({
      events: pageOf(request, 100).map((row) => ({ ...row, timestamp: "x", metadata: { a: 1 } })),
      pagination: { total_count: rows.length },
    });

  test("records are cut at the limit, which is told on stderr", async () => {
    await using server = stub(records);
    const { out, err } = await run(
      "manage audit list --limit 250 --json --token-id t --search x",
      server.url,
    );
    expect(JSON.parse(out)).toHaveLength(250);
    expect(err).toBe("250 of 12000 are shown: --limit 0 shows all\n");
    expect(server.requests.map(({ url }) => url.split("?")[1])).toEqual(
      [1, 2, 3].map((page) => `token_id=t&search=x&page=${page}&page_size=100`),
    );
  });

  test("records are all given with --limit 0", async () => {
    await using server = stub(records);
    const { out, err } = await run("manage audit list --limit 0", server.url);
    expect(out.trim().split("\n")).toHaveLength(12_001);
    expect(err).toBe("");
  });
});
