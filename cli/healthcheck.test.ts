import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { certificates } from "../test/harness/certificates.ts";
import { freePort } from "../test/harness/free-port.ts";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { checkHealth } from "./healthcheck.ts";
import { CommandError, UsageError } from "./output.ts";
import { localUrl } from "./server-probe.ts";

function serveStatuses(statuses: Record<string, number>) {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => new Response("x", { status: statuses[new URL(request.url).pathname] ?? 404 }),
  });
}

test("a server that lives is healthy, one that is not ready is not", async () => {
  await using server = serveStatuses({ "/live": 200, "/ready": 503 });
  const io = recordedIo({ environment: { LISTEN_ADDR: `127.0.0.1:${server.port}` } });
  await checkHealth({ ready: false }, io);
  expect(io.out()).toBe("ok\n");
  const url = `http://127.0.0.1:${server.port}`;
  await expect(checkHealth({ ready: true, url: `${url}/` }, io)).rejects.toThrow(`${url}/ready answered 503`);
});

test("a redirect is no sign of health", async () => {
  await using server = serveStatuses({ "/live": 302 });
  const check = checkHealth({ ready: false, url: `http://127.0.0.1:${server.port}` }, recordedIo());
  await expect(check).rejects.toThrow("answered 302");
});

test("nobody there is unhealthy", async () => {
  const io = recordedIo({ environment: { LISTEN_ADDR: `:${await freePort()}` } });
  await expect(checkHealth({ ready: false }, io)).rejects.toThrow(CommandError);
});

test("a hung server is known as one within 3 s (CLI-104)", async () => {
  const hung = createServer();
  await new Promise<void>((resolve) => hung.listen(0, "127.0.0.1", resolve));
  const { port } = hung.address() as { port: number };
  const startMs = performance.now();
  const fault = await checkHealth({ ready: false, url: `http://127.0.0.1:${port}` }, recordedIo()).catch(
    (error) => error,
  );
  expect(fault).toBeInstanceOf(CommandError);
  expect(fault.message).toContain("No answer");
  expect(performance.now() - startMs).toBeLessThan(3_000);
  hung.close();
});

test.each([{ url: "ftp://a" }, { url: "nonsense" }])("%p is refused as an address", async (options) => {
  await expect(checkHealth({ ready: false, ...options }, recordedIo())).rejects.toThrow(UsageError);
});

test("a LISTEN_ADDR that is none is refused, a blank one is the default", async () => {
  const wrong = recordedIo({ environment: { LISTEN_ADDR: "8o80" } });
  await expect(checkHealth({ ready: false }, wrong)).rejects.toThrow("LISTEN_ADDR '8o80'");
});

test.each([
  [":8080", "http://127.0.0.1:8080"],
  ["0.0.0.0:1", "http://127.0.0.1:1"],
  ["[::]:1", "http://[::1]:1"],
  ["localhost:80", "http://localhost:80"],
  ["[::1]:80", "http://[::1]:80"],
])("a server that listens on %s is reached at %s", (address, url) => {
  expect(localUrl(address, false)).toEqual({ ok: true, value: url });
});

test("a server that speaks TLS is asked by it, whatever its certificate is for", async () => {
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: certificates.other, key: certificates.key },
    fetch: () => new Response("x"),
  });
  const io = recordedIo({ environment: { LISTEN_ADDR: `127.0.0.1:${server.port}`, ENABLE_TLS: "true" } });
  await checkHealth({ ready: false }, io);
  await checkHealth({ ready: true, url: `https://127.0.0.1:${server.port}` }, io);
  expect(io.out()).toBe("ok\nok\n");
});
