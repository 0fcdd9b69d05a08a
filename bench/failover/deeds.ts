import type { Link } from "../../test/harness/upstream-connection.ts";
import { chunk, event, reply, sseHead } from "../../test/harness/upstream-steps.ts";
import type { Attempt } from "./attempt.ts";

/** Where a fake provider acts: on this connection, for this request, with waits as long as `ms` makes them. */
export interface Scene {
  readonly link: Link;
  readonly attempt: Attempt;
  readonly ms: (fullMs: number) => number;
}

/** One thing that a fake provider does. */
export type Deed = (scene: Scene) => void | Promise<void>;

/** What it does with one request, from the first byte of its answer on. */
export type Script = readonly Deed[];

/** Tokens of the right answer. */
export const tokensMax = 60;
const tokens = Array.from({ length: tokensMax }, (_, index) => `t${index + 1} `);
/** The right answer: what both providers say to everybody. */
export const rightAnswer = tokens.join("");
/** Between two tokens: 200 a second, as a fast model writes. */
const tokenGapMs = 5;
const usage = { prompt_tokens: 9, completion_tokens: tokensMax, total_tokens: 9 + tokensMax };

/** The whole right answer, streamed or not as it was asked for. */
export const answer: Script = [
  async (scene) => {
    if (scene.attempt.isStream) return await act([open, say(tokensMax), finish("stop"), done, close], scene);
    const message = { role: "assistant", content: rightAnswer };
    const choices = [{ index: 0, message, finish_reason: "stop" }];
    const body = JSON.stringify({ id: "chatcmpl-1", object: "chat.completion", model: "m", choices, usage });
    scene.attempt.isBilled = true;
    scene.attempt.bodyBytes += body.length;
    for (const step of reply(200, [["Content-Type", "application/json"]], body)) await step(scene.link);
  },
];

/** An error of the provider as JSON. */
export function refuse(status: number, code: string, retryAfterMs = 0): Script {
  return [
    async ({ link, attempt, ms }) => {
      const waitS = Math.ceil(ms(retryAfterMs) / 1000);
      attempt.waitToldMs = waitS * 1000;
      const body = JSON.stringify({
        error: { message: `Refused: ${code}`, type: "error", param: null, code },
      });
      attempt.bodyBytes += body.length;
      const wait = waitS > 0 ? [["Retry-After", String(waitS)] as const] : [];
      for (const step of reply(status, [["Content-Type", "application/json"], ...wait], body))
        await step(link);
    },
  ];
}

/** The head of a stream. From here on somebody has to pay. */
export const open: Deed = async ({ link, attempt }) => {
  attempt.isBilled = true;
  await link.write(sseHead());
};

/** The tokens of the answer from where it stands up to this one. */
export const say =
  (upTo: number): Deed =>
  async (scene) => {
    for (; scene.attempt.tokens < upTo; scene.attempt.tokens++) {
      await sayEvent(event(delta({ content: tokens[scene.attempt.tokens] })))(scene);
      await scene.link.pause(tokenGapMs);
    }
  };

/** Why the answer ends, and what it costs. */
export const finish =
  (reason: string): Deed =>
  async (scene) => {
    await sayEvent(event(delta({}, reason)))(scene);
    await sayEvent(event({ ...delta({}), choices: [], usage }))(scene);
  };

/** Any event, as text. */
export const sayEvent =
  (text: string): Deed =>
  async ({ link, attempt }) => {
    attempt.bodyBytes += Buffer.byteLength(text);
    await link.write(chunk(text));
  };

export const done: Deed = sayEvent(event("[DONE]"));

/** The proper end of a stream. */
export const close: Deed = ({ link }) => link.write(chunk(""));

/** Bytes that are no chunk of a chunked body. */
export const badChunk: Deed = ({ link }) => link.write("zz\r\nthis is no chunk\r\n");

export const wait =
  (fullMs: number): Deed =>
  ({ link, ms }) =>
    link.pause(ms(fullMs));

/** Long enough that what was said has been read: a reset takes back what was not. */
const settleMs = 150;

/** Cuts the connection with RST. */
export const reset: Deed = async ({ link }) => {
  await link.pause(settleMs);
  link.reset();
};

/** Closes the connection with FIN, whatever is still missing. */
export const hangUp: Deed = async ({ link }) => {
  await link.pause(settleMs);
  link.fin();
};

/** Does it all, in order. */
export async function act(script: Script, scene: Scene): Promise<void> {
  for (const deed of script) await deed(scene);
}

function delta(what: object, finishReason: string | null = null) {
  const choices = [{ index: 0, delta: what, finish_reason: finishReason }];
  return { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m", choices };
}
