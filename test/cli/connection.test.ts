import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { runMain } from "../../cli/main.ts";
import { managementToken, startServer } from "../api/test-server.ts";
import { findSecrets } from "../harness/canary.ts";
import { recordedIo } from "../harness/recorded-io.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";

const list = async (flags: string[], given: Parameters<typeof recordedIo>[0]) => {
  const io = recordedIo(given);
  const code = await runMain(["manage", "project", "list", "--json", ...flags], io);
  const [out, err] = [io.out(), io.err()];
  expect(findSecrets(out + err, [managementToken])).toEqual([]);
  return { code, out, err };
};

describe("the management token", () => {
  test("comes from stdin, its file or an env file, and as an argument with a warning (CLI-101)", async () => {
    using directory = temporaryDirectory();
    const server = await startServer();
    const MANAGEMENT_API_BASE_URL = server.base;
    const environment = { MANAGEMENT_API_BASE_URL, DATA_DIR: directory.path };
    const file = join(directory.path, "token");
    writeFileSync(file, `${managementToken}\n`);
    const envFile = join(directory.path, "my.env");
    writeFileSync(envFile, `MANAGEMENT_TOKEN=${managementToken}\n`);
    const fine = { code: 0, out: "[]\n", err: "" };
    expect(
      await list(["--management-token", "-"], { environment, stdin: Readable.from([managementToken]) }),
    ).toEqual(fine);
    expect(await list([], { environment: { ...environment, MANAGEMENT_TOKEN_FILE: file } })).toEqual(fine);
    expect(await list(["--env", envFile], { environment })).toEqual(fine);
    const shown = await list(["--management-token", managementToken], { environment });
    expect(shown).toEqual({
      ...fine,
      err: expect.stringMatching(/^Warning: --management-token shows in the list/),
    });
    const wrong = await list([], {
      environment: { ...environment, MANAGEMENT_TOKEN: "wrong-0123456789abcdef" },
    });
    expect(wrong).toEqual({
      code: 1,
      out: "",
      err: expect.stringContaining("invalid management token [unauthorized]"),
    });
    await server[Symbol.asyncDispose]();
  });

  test("wrong settings are told all at once", async () => {
    const environment = { MANAGEMENT_API_BASE_URL: "nowhere", MANAGEMENT_TOKEN: managementToken };
    const { code, err } = await list([], { environment });
    expect(code).toBe(1);
    expect(err).toContain("MANAGEMENT_API_BASE_URL");
  });
});

describe("CLI-105: a proxy of the environment does not get to read the token", () => {
  const environment = { MANAGEMENT_TOKEN: managementToken, HTTP_PROXY: "http://127.0.0.1:9" };

  test("plain http through it is refused, with what to do", async () => {
    for (const NO_PROXY of ["", "host", "localhost:1"]) {
      const { code, err } = await list([], { environment: { ...environment, NO_PROXY } });
      expect({ code, err }).toEqual({
        code: 1,
        err: "Error: The proxy that HTTP_PROXY names would read the management token on its way to localhost\nAdd localhost to NO_PROXY, or use https\n",
      });
    }
  });

  test("what NO_PROXY names goes straight", async () => {
    const server = await startServer();
    const url = `http://localhost:${server.port}`;
    for (const NO_PROXY of ["*", "LOCALHOST", "a, .localhost", `localhost:${server.port}`]) {
      const given = { ...environment, NO_PROXY, MANAGEMENT_API_BASE_URL: url };
      expect(await list([], { environment: given })).toEqual({ code: 0, out: "[]\n", err: "" });
    }
    await server[Symbol.asyncDispose]();
  });
});

test("offline makes no database where there is none", async () => {
  using directory = temporaryDirectory();
  const { code, err } = await list(["--offline", "--data-dir", directory.path], {});
  expect(code).toBe(1);
  expect(err).toStartWith(`Error: There is no database at ${directory.path}`);
  expect(readdirSync(directory.path)).toEqual([]);
});

test("offline refuses what is no database, with its code", async () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "llm-proxy.db");
  writeFileSync(file, "not a database, but long enough to be read as the head of one".repeat(20));
  const { code, out, err } = await list(["--offline", "--data-dir", directory.path], {});
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/^Error: [a-z_]+: /);
  expect(readFileSync(file, "utf8")).toStartWith("not a database");
});
