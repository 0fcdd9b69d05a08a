import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { headerValue } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import type { Step } from "../harness/upstream-connection.ts";
import { fin, head, hold, pause, readBody, reset, write } from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes } from "./lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

const uploadBytes = 20 << 20;
const said = '{"error":{"message":"too large"}}';
const refusal = head(413, [
  ["Content-Type", "application/json"],
  ["Content-Length", String(said.length)],
  ["Connection", "close"],
]);

/** Uploads to a provider that reads 64 KiB, refuses and then does this. */
async function upload(...steps: readonly Step[]) {
  lab.upstream.answerNext([readBody(64 << 10), write(refusal + said), ...steps]);
  using client = await connectRaw(lab.app.port);
  const headers = [["Content-Length", String(uploadBytes)]] as const;
  await client.send(requestBytes("/v1/files", { method: "POST", token: lab.token, headers }));
  const sending = (async () => {
    const block = Buffer.alloc(64 << 10, "u");
    for (let left = uploadBytes; left > 0; left -= block.length) await client.send(block);
  })();
  const answer = await client.response({ method: "POST", deadlineMs: 2_000 });
  await sending; // what nobody wants any more is thrown away here
  return { answer, request: lab.upstream.requests.at(-1)! };
}

describe("a provider that answers before it has read the upload is heard (BOD-106)", () => {
  const orderly: [string, readonly Step[]][] = [
    ["closes in order", [pause(200), fin()]],
    ["keeps the connection open", [hold()]],
  ];
  test.each(orderly)("one that %s: its answer, and it gets no more of the upload", async (_, steps) => {
    const { answer, request } = await upload(...steps);
    expect([answer.status, answer.complete, answer.body.text()]).toEqual([413, true, said]);
    expect((await request.connection.closed()).by).toBe("peer");
    expect(request.body.length).toBeLessThan(uploadBytes);
  });

  test("one that resets at once: its answer where it was read, else 502", async () => {
    const { answer } = await upload(reset());
    expect(answer.complete).toBe(true);
    const isTheirs = answer.status === 413 && answer.body.text() === said;
    const isOurs =
      answer.status === 502 && headerValue(answer.headers, "x-llm-proxy-error") === "bad_gateway";
    expect(isTheirs || isOurs).toBe(true);
    expect((await lab.call("/v1/models", { body: "{}" })).status).toBe(200);
  });
});
