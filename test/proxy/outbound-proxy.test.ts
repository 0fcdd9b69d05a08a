import { expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { certificates } from "../harness/certificates.ts";
import { startProxy } from "../harness/proxy-process.ts";
import { exchange } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { jsonOf, requestBytes } from "./lab.ts";

/** An address of this machine that is not loopback: to us that is a provider elsewhere. */
const elsewhere = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === "IPv4" && !each.internal)?.address;

/** A proxy that opens tunnels and takes down what it was asked for; `refuses`: it answers 407. */
async function startOutbound(refuses = false) {
  const heads: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      const head = bytes.toString("latin1");
      heads.push(head);
      const [, host, port] = /^CONNECT ([^:]+):(\d+) /.exec(head) ?? [];
      if (refuses || host === undefined) {
        socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      const upstream = connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(upstream).pipe(socket);
      });
      open.add(upstream);
      upstream.on("error", () => socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://user:outbound-secret@127.0.0.1:${port}`,
    heads,
    [Symbol.dispose]() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

/** The binary with two providers at the same server: `lab` at an address elsewhere, `near` at loopback. */
async function startBehind(env: Readonly<Record<string, string>>) {
  const scope = new AsyncDisposableStack();
  const ca = join(scope.use(temporaryDirectory()).path, "ca.pem");
  await Bun.write(ca, certificates.ca);
  const upstream = scope.use(
    Bun.serve({
      port: 0,
      hostname: "0.0.0.0",
      tls: { cert: certificates.server, key: certificates.key },
      fetch: ({ headers }) => Response.json(headers.get("proxy-authorization")),
    }),
  );
  const entry = (name: string, host: string) =>
    `  ${name}: {base_url: "https://${host}:${upstream.port}", allowed_methods: [GET], allowed_endpoints: ["/*"], tls: {ca_file: "${ca}", server_name: localhost}}\n`;
  const providers = entry("far", elsewhere ?? "") + entry("near", "127.0.0.1");
  const proxy = scope.use(await startProxy({ upstream: "http://127.0.0.1:1", providers, env }));
  return {
    proxy,
    async call(provider: "far" | "near") {
      const { id } = await proxy.newProject({ provider });
      const { token } = await proxy.newToken(id);
      return await exchange(proxy.port, requestBytes("/v1/models", { token }));
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  };
}

test.skipIf(elsewhere === undefined)(
  "HTTPS_PROXY carries what goes elsewhere, in a tunnel that holds no key; loopback is direct (NET-103)",
  async () => {
    using outbound = await startOutbound();
    await using behind = await startBehind({ HTTPS_PROXY: outbound.url, HTTP_PROXY: outbound.url });
    const near = await behind.call("near");
    expect([near.status, outbound.heads]).toEqual([200, []]);
    const far = await behind.call("far");
    expect([far.status, jsonOf(far)]).toEqual([200, null]);
    expect(outbound.heads).toEqual([expect.stringMatching(/^CONNECT /)]);
    expect(outbound.heads[0]).toMatch(/^proxy-authorization: Basic /im);
    expect(outbound.heads[0]).not.toContain(behind.proxy.providerKey);
  },
);

test.skipIf(elsewhere === undefined)("NO_PROXY lets its hosts be called directly (NET-103)", async () => {
  using outbound = await startOutbound();
  await using behind = await startBehind({ HTTPS_PROXY: outbound.url, NO_PROXY: `.example,${elsewhere}` });
  expect((await behind.call("far")).status).toBe(200);
  expect(outbound.heads).toEqual([]);
});

test.skipIf(elsewhere === undefined)(
  "a proxy that refuses the tunnel is 502, and its password is not in the log (NET-103)",
  async () => {
    using outbound = await startOutbound(true);
    await using behind = await startBehind({ HTTPS_PROXY: outbound.url });
    const response = await behind.call("far");
    expect([response.status, jsonOf(response).error.code]).toEqual([502, "bad_gateway"]);
    const { stdout, stderr } = await behind.proxy.stop();
    expect(stdout).toContain("Proxy refused to open a tunnel: 407");
    expect(stdout + stderr).not.toContain("outbound-secret");
  },
);

test("a proxy finds the address of a name, which nobody else does; stray bytes of its are nobody's (NET-103, NET-107)", async () => {
  const heads: string[] = [];
  const extra = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nSECRET-A";
  let strays: { readonly text: string; readonly afterMs: number } | undefined;
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      const head = bytes.toString("latin1");
      heads.push(head);
      const id = /x-id: (\S+)/i.exec(head)?.[1] ?? "";
      const answer = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${id.length}\r\n\r\n${id}`;
      const now = strays;
      strays = undefined;
      socket.write(now?.afterMs === 0 ? answer + now.text : answer);
      if (now !== undefined && now.afterMs > 0) setTimeout(() => socket.write(now.text), now.afterMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await using proxy = await startProxy({
    upstream: "http://gpu.nowhere.example:8000/base",
    env: { HTTP_PROXY: `http://127.0.0.1:${port}` },
  });
  const { token } = await proxy.newToken((await proxy.newProject()).id);
  const call = async (id: string) => {
    const answer = await exchange(proxy.port, requestBytes("/v1/models", { token, headers: [["X-Id", id]] }));
    return [answer.status, answer.body.text()];
  };
  for (const text of [extra, "\r\n", "HTTP/1.1 2"]) {
    for (const afterMs of [0, 50]) {
      strays = { text, afterMs };
      expect(await call("first")).toEqual([200, "first"]);
      expect(await call("second")).toEqual([200, "second"]);
      await Bun.sleep(60); // the late ones have come
      expect(await call("third")).toEqual([200, "third"]);
    }
  }
  expect(heads[0]).toStartWith("GET http://gpu.nowhere.example:8000/base/v1/models HTTP/1.1\r\n");
  expect(heads[0]).toMatch(/^host: gpu\.nowhere\.example:8000\r$/im);
  server.close();
});
