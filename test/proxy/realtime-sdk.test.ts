import { expect, test } from "bun:test";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { localhostCertificate } from "../harness/localhost-certificate.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { openSocketLab } from "./socket-lab.ts";

/** TLS in front of a port, as a reverse proxy has it. */
async function startTls(port: number) {
  const server = createServer(localhostCertificate, (client) => {
    const behind = connectTcp(port, "127.0.0.1");
    for (const [from, to] of [
      [client, behind],
      [behind, client],
    ] as const) {
      from.pipe(to);
      from.on("error", () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The TLS server has no port");
  return { port: address.port, [Symbol.dispose]: () => void server.close() };
}

test("the Realtime client of the official openai package talks through the proxy, its token in a subprotocol", async () => {
  await using lab = await openSocketLab();
  using tls = await startTls(lab.app.port);
  using directory = temporaryDirectory();
  const ca = join(directory.path, "ca.pem");
  await Bun.write(ca, localhostCertificate.cert);
  lab.upstream.onOpen(({ socket }) => socket.send(JSON.stringify({ type: "session.created", session: {} })));
  lab.upstream.onMessage(({ socket }, message) => {
    const { type } = JSON.parse(String(message));
    if (type === "response.create") socket.send(JSON.stringify({ type: "response.done", response: {} }));
  });
  const child = Bun.spawn(
    [
      process.execPath,
      fileURLToPath(import.meta.resolve("./realtime-client.ts")),
      `https://localhost:${tls.port}/v1`,
      lab.token,
    ],
    { env: { PATH: process.env["PATH"], NODE_EXTRA_CA_CERTS: ca }, stdout: "pipe", stderr: "pipe" },
  );
  const [said, fault] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect([await child.exited, fault]).toEqual([0, ""]);
  expect(JSON.parse(said)).toEqual({
    seen: ["session.created", "response.done"],
    code: 1000,
    protocol: "realtime",
  });
  const [handshake] = lab.upstream.handshakes;
  expect(handshake?.target).toBe("/v1/realtime?model=gpt-realtime");
  expect(handshake?.headers.get("sec-websocket-protocol")).toBe(
    `realtime, openai-insecure-api-key.${lab.app.providerKey}`,
  );
}, 20_000);
