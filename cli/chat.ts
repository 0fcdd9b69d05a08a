import { createInterface, type Interface } from "node:readline";
import { Readable, Writable } from "node:stream";
import { defineCommand } from "citty";
import { type Clock, systemClock } from "../src/clock.ts";
import type { Config } from "../src/config/settings.ts";
import { readChatSettings } from "./chat-settings.ts";
import { type ChatEndpoint, type ChatMessage, takeTurn } from "./chat-turn.ts";
import { argsOf, readFlags } from "./config-flags.ts";
import { type CliIo, CommandError, UsageError } from "./output.ts";

/** The settings that a conversation reads, and its one message. */
export type ChatOptions = Pick<
  Config,
  | "proxyUrl"
  | "proxyToken"
  | "model"
  | "temperature"
  | "maxTokens"
  | "systemPrompt"
  | "useStreaming"
  | "verbose"
> & {
  /** One message and out; `-` takes it from stdin. Undefined: a conversation. */
  readonly message?: string | undefined;
};

/**
 * Chats through the proxy: answers on stdout, all else on stderr, so that stdout can be piped.
 * @throws {UsageError} without a token, or with an empty message
 * @throws {CommandError} if the one message failed, or any line of a conversation that does not come from a terminal
 */
export async function runChat(options: ChatOptions, io: CliIo, clock: Clock = systemClock): Promise<void> {
  const talk = createTalk(options, io, clock);
  if (options.message === undefined) return converse(talk, options, io);
  const message = options.message === "-" ? (await readAll(io.stdin)).trim() : options.message;
  if (message === "")
    throw new UsageError("The message is empty: give one after --message, or - and text on stdin");
  const failure = await talk.say(message);
  if (failure !== undefined) throw new CommandError(failure);
}

interface Talk {
  /** Takes one turn and prints it; gives the failure's message, after which the history is as before. */
  say(message: string, signal?: AbortSignal): Promise<string | undefined>;
}

function createTalk(options: ChatOptions, io: CliIo, clock: Clock): Talk {
  const endpoint = endpointOf(options);
  const dim = painter(io);
  const history: ChatMessage[] =
    options.systemPrompt === "" ? [] : [{ role: "system", content: options.systemPrompt }];
  return {
    async say(message, signal) {
      history.push({ role: "user", content: message });
      const startMs = clock.monotonic();
      let midLine = false;
      const turn = await takeTurn(endpoint, history, {
        onText(text) {
          midLine = !text.endsWith("\n");
          io.stdout.write(io.stdout.isTTY ? withoutControls(text) : text);
        },
        ...(signal === undefined ? {} : { signal }),
        ...(options.verbose ? { onExchange: (sent, response) => tell(io, dim, sent, response) } : {}),
      });
      if (midLine) io.stdout.write("\n");
      if (!turn.ok) {
        history.pop();
        return withoutControls(turn.error.message);
      }
      history.push({ role: "assistant", content: turn.value.text });
      const { tokens } = turn.value;
      const counted = tokens === undefined ? "tokens unknown" : `${tokens.input} + ${tokens.output} tokens`;
      const seconds = ((clock.monotonic() - startMs) / 1000).toFixed(2);
      io.stderr.write(`${dim(`[${counted}, ${seconds} s]`)}\n`);
      return undefined;
    },
  };
}

function endpointOf(options: ChatOptions): ChatEndpoint {
  const { proxyUrl, proxyToken, model, temperature, maxTokens, useStreaming } = options;
  if (proxyToken === undefined) {
    throw new UsageError(
      "No token: set PROXY_TOKEN to a token of the proxy; llm-proxy manage token create makes one",
    );
  }
  return {
    url: `${proxyUrl.replace(/\/v1$/, "")}/v1/chat/completions`,
    token: proxyToken,
    stream: useStreaming,
    parameters: { model, temperature, ...(maxTokens > 0 ? { max_tokens: maxTokens } : {}) },
  };
}

async function converse(talk: Talk, options: ChatOptions, io: CliIo): Promise<void> {
  const interactive = "isTTY" in io.stdin && io.stdin.isTTY === true;
  const stop = new AbortController();
  const lines = openLines(io, interactive, stop);
  const prompt = (): void => {
    if (interactive && !stop.signal.aborted) lines.prompt();
  };
  if (interactive) io.stderr.write(`${options.model} at ${options.proxyUrl}; exit, Ctrl-D or Ctrl-C ends\n`);
  const answer = async (message: string): Promise<boolean> => {
    const failure = message === "" ? undefined : await talk.say(message, stop.signal);
    if (failure === undefined || stop.signal.aborted) return true;
    io.stderr.write(`${failure}\n`);
    return false;
  };
  let failed = 0;
  prompt();
  for await (const line of lines) {
    const message = line.trim();
    if (message === "exit" || message === "quit") break;
    if (!(await answer(message))) failed += 1;
    if (stop.signal.aborted) break;
    prompt();
  }
  stop.abort();
  lines.close();
  if (interactive) io.stderr.write("\n");
  else if (failed > 0) throw new CommandError(`${failed} of the messages got no whole answer`);
}

/** Lines of stdin; on a terminal with editing and history, echoed on stderr. Closing it aborts `stop`. */
function openLines(io: CliIo, interactive: boolean, stop: AbortController): Interface {
  const echo = new Writable({
    write(chunk, _encoding, done) {
      io.stderr.write(String(chunk));
      done();
    },
  });
  const lines = createInterface({
    input: streamOf(io.stdin),
    ...(interactive ? { output: echo, terminal: true, prompt: "> " } : {}),
  });
  lines.on("SIGINT", () => lines.close());
  if (interactive) lines.on("close", () => stop.abort());
  return lines;
}

function streamOf(stdin: CliIo["stdin"]): NodeJS.ReadableStream {
  return "pipe" in stdin ? stdin : Readable.from(stdin);
}

async function readAll(stdin: CliIo["stdin"]): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of stdin) {
    text += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
  }
  return text;
}

/** Terminal escapes in an answer could move the cursor or set the title: a terminal gets plain text. */
function withoutControls(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, "");
}

function painter(io: CliIo): (text: string) => string {
  const plain = !io.stderr.isTTY || (io.environment["NO_COLOR"] ?? "") !== "";
  return (text) => (plain ? text : `\u001b[2m${text}\u001b[22m`);
}

function tell(io: CliIo, dim: (text: string) => string, sent: string, response: Response): void {
  const headers = [...response.headers].map(([name, value]) => `< ${name}: ${value}`).join("\n");
  io.stderr.write(`${dim(`> ${sent}\n< HTTP ${response.status}\n${headers}`)}\n`);
}

export const chat = defineCommand({
  meta: {
    name: "chat",
    description:
      'Chat with a model through the proxy. Example: PROXY_TOKEN=sk-wt-... llm-proxy chat -m "Say hello"',
  },
  args: {
    ...argsOf("chat"),
    message: {
      type: "string",
      alias: "m",
      description: "Ask this one message, print the answer and leave; - reads it from stdin",
    },
  },
  run: ({ args, data: io }) =>
    runChat({ ...readChatSettings(readFlags("chat", args), io), message: args.message }, io),
});
