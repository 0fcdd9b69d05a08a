import { expect, test } from "bun:test";
import { join } from "node:path";
import { connect } from "node:tls";
import { createApp } from "../../src/app.ts";
import { watchCertificate } from "../../src/app-certificate.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Logger } from "../../src/logging/logger.ts";
import { fail, ok } from "../../src/result.ts";
import { listen, type ServerTls } from "../../src/server/listener.ts";
import { certificates } from "../harness/certificates.ts";
import { localhostCertificate } from "../harness/localhost-certificate.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";

const first = { cert: certificates.server, key: certificates.key, minVersion: "1.2" } as const;
const second = { ...localhostCertificate, minVersion: "1.2" } as const;

/** Common name of the certificate that is shown and the version that is spoken. */
async function shown(port: number, maxVersion: "TLSv1.2" | "TLSv1.3" = "TLSv1.3"): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion }, () => {
      resolve(`${socket.getPeerCertificate().subject.CN} ${socket.getProtocol()}`);
      socket.destroy();
    });
    socket.on("error", () => resolve("refused"));
  });
}

function serve(tls: Parameters<typeof listen>[0]["tls"], handle: () => Response = () => new Response("hi")) {
  const listener = listen({
    address: { hostname: "127.0.0.1", port: 0 },
    surface: "all",
    idleTimeoutS: 0,
    handle,
    onFault: (fault) => {
      throw fault;
    },
    tls,
  });
  if (!listener.ok) throw new Error(listener.error.message);
  return { ...listener.value, [Symbol.asyncDispose]: async () => void (await listener.value.stop(0)) };
}

test("the oldest version that is spoken is the one that is set", async () => {
  await using modern = serve({ ...first, minVersion: "1.3" });
  await using usual = serve(first);
  expect(await shown(usual.port, "TLSv1.2")).toBe("server TLSv1.2");
  expect(await shown(usual.port)).toBe("server TLSv1.3");
  expect(await shown(modern.port)).toBe("server TLSv1.3");
  expect(await shown(modern.port, "TLSv1.2")).toBe("refused");
});

test("another certificate holds for the next connection, and a stream goes on to its end", async () => {
  let stream: ReadableStreamDefaultController<string> | undefined;
  await using listener = serve(first, () => {
    const body = new ReadableStream<string>({
      start(controller) {
        stream = controller;
        controller.enqueue("one ");
      },
    });
    return new Response(body);
  });
  using client = await connectRaw(listener.port, true);
  await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await client.until("one ");
  expect(listener.renew(second)).toEqual({ ok: true, value: undefined });
  expect(await shown(listener.port)).toBe("localhost TLSv1.3");
  stream?.enqueue("two");
  stream?.close();
  const response = await client.response();
  expect([response.complete, response.body.text()]).toEqual([true, "one two"]);
});

test("a WebSocket goes on under another certificate", async () => {
  const listener = listen({
    address: { hostname: "127.0.0.1", port: 0 },
    surface: "all",
    idleTimeoutS: 0,
    handle: (_request, { upgrade }) => {
      const isOpen = upgrade?.(
        (client) => ({
          message: (message) => void client.send(message),
          ping() {},
          closed() {},
          stop() {},
        }),
        new Headers(),
      );
      return new Response(null, { status: isOpen === true ? 101 : 400 });
    },
    onFault: () => {},
    tls: first,
  });
  if (!listener.ok) throw new Error(listener.error.message);
  const socket = new WebSocket(`wss://127.0.0.1:${listener.value.port}/`, { tls: { ca: certificates.ca } });
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  expect(listener.value.renew(second).ok).toBe(true);
  const echoed = new Promise((resolve) => {
    socket.onmessage = ({ data }) => resolve(data);
  });
  socket.send("still here");
  expect(await echoed).toBe("still here");
  socket.terminate();
  await listener.value.stop(0);
});

test("stopping waits for a stream that began under the certificate before", async () => {
  let stream: ReadableStreamDefaultController<string> | undefined;
  await using listener = serve(first, () => {
    const body = new ReadableStream<string>({
      start(controller) {
        stream = controller;
        controller.enqueue("one ");
      },
    });
    return new Response(body);
  });
  using client = await connectRaw(listener.port, true);
  await client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  await client.until("one ");
  listener.renew(second);
  const ended = listener.stop(5_000);
  stream?.enqueue("two");
  stream?.close();
  expect((await client.response()).body.text()).toBe("one two");
  expect(await ended).toBe("ended");
});

test("a server with TLS renews on its signal, and keeps what it has while the files are broken", async () => {
  using home = temporaryDirectory();
  const at = (name: string) => join(home.path, name);
  const write = async (cert: string, key: string) => {
    await Bun.write(at("cert.pem"), cert);
    await Bun.write(at("key.pem"), key);
  };
  await write(first.cert, first.key);
  const environment = {
    MANAGEMENT_TOKEN: "0123456789abcdef0123456789abcdef",
    LISTEN_ADDR: "127.0.0.1:0",
    MANAGEMENT_LISTEN_ADDR: "127.0.0.1:0",
    DATA_DIR: at("data"),
    LOG_FILE: at("log"),
    ENABLE_TLS: "true",
    TLS_CERT_FILE: "cert.pem",
    TLS_KEY_FILE: "key.pem",
  };
  const loaded = loadConfig({ flags: {}, environment, cwd: home.path });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const app = await createApp(loaded.value);
  const serving = app.ok ? app.value.serve() : app;
  if (!serving.ok) throw new Error(serving.error.message);
  const { url, managementUrl, reload, stop } = serving.value;
  const ports = [url, managementUrl].map((each) => Number(new URL(each).port));
  const all = () => Promise.all(ports.map((port) => shown(port)));
  try {
    expect(url).toStartWith("https://127.0.0.1:");
    const live = await fetch(`${url}/live`, { tls: { ca: certificates.ca } });
    expect(live.status).toBe(200);
    await write(second.cert, first.key);
    reload();
    reload();
    expect(await all()).toEqual(["server TLSv1.3", "server TLSv1.3"]);
    await write(second.cert, second.key);
    reload();
    expect(await all()).toEqual(["localhost TLSv1.3", "localhost TLSv1.3"]);
  } finally {
    await stop();
  }
  const log = await Bun.file(at("log")).text();
  expect(log.match(/the certificate was not renewed/g)).toHaveLength(1);
  expect(log).toContain("holds no key for the certificate");
  expect(log).not.toContain("PRIVATE KEY");
});

test("files that do not hold stop the start and say which", async () => {
  using home = temporaryDirectory();
  await Bun.write(join(home.path, "cert.pem"), certificates.server);
  const environment = {
    MANAGEMENT_TOKEN: "0123456789abcdef0123456789abcdef",
    ENABLE_TLS: "true",
    TLS_CERT_FILE: "cert.pem",
    TLS_KEY_FILE: "key.pem",
  };
  const loaded = loadConfig({ flags: {}, environment, cwd: home.path });
  expect(loaded).toMatchObject({ ok: false, error: [{ code: "unreadable_file", name: "TLS_KEY_FILE" }] });
});

test("a renewal that fails is tried again in its turn, and none happens after the end", async () => {
  const renewed = Promise.withResolvers<void>();
  let tries = 0;
  let onDisk: ServerTls = second;
  const logged: string[] = [];
  const logger = {
    info: (text: string) => logged.push(text),
    error: (text: string) => logged.push(text),
  } as unknown as Logger;
  const watch = watchCertificate({
    current: first,
    read: () => ok(onDisk),
    renew(tls) {
      expect(tls).toEqual(second);
      tries++;
      if (tries < 3) return fail({ code: "address_in_use", message: "in use" });
      renewed.resolve();
      return ok(undefined);
    },
    logger,
    intervalMs: 1,
  });
  await renewed.promise;
  watch.stop();
  onDisk = first;
  watch.look();
  expect(tries).toBe(3);
  expect(logged).toEqual([
    "the certificate was not renewed; it is tried again",
    "the certificate was renewed",
  ]);
});
