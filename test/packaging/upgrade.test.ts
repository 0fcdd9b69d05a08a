import { expect, test } from "bun:test";
import { copyFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../harness/free-port.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { binary } from "./binary.ts";

test("OPS-108 a running server needs nothing from its file: it can be replaced and deleted", async () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "llm-proxy");
  copyFileSync(binary, file);
  const origin = `http://127.0.0.1:${await freePort()}`;
  const server = Bun.spawn([file, "server"], {
    cwd: directory.path,
    env: {
      LISTEN_ADDR: origin.replace("http://", ""),
      MANAGEMENT_TOKEN: "management-token-of-the-upgrade-test",
    },
    stdout: "pipe",
    stderr: "ignore",
  });
  try {
    for await (const piece of server.stdout) if (Buffer.from(piece).includes("listening")) break;
    copyFileSync(binary, `${file}.new`);
    renameSync(`${file}.new`, file);
    rmSync(file);

    const page = await fetch(`${origin}/docs`);
    const assets = [...(await page.text()).matchAll(/(?:src|href)="(\/docs\/assets\/[^"]+)"/g)].map(
      ([, path]) => path,
    );
    expect(assets.length).toBeGreaterThanOrEqual(3);
    for (const path of ["/docs/json", "/ready", "/metrics/prometheus", ...assets]) {
      const answer = await fetch(origin + path);
      expect([path, answer.status, (await answer.arrayBuffer()).byteLength > 0]).toEqual([path, 200, true]);
    }
  } finally {
    server.kill();
  }
  expect(await server.exited).toBe(0);
});
