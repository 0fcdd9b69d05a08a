import type { Seen } from "./client.ts";
import type { Entry } from "./evidence.ts";
import type { Stage } from "./target.ts";

/** A log entry comes after the answer. */
const entryDeadlineMs = 5_000;
const entryPollMs = 50;

interface PortkeyBooks extends Disposable {
  entriesOf(seen: Seen): Promise<readonly Entry[]>;
}

/** Reads the log of Portkey's console while it is written. */
export async function openPortkeyBooks(port: number, stages: readonly Stage[]): Promise<PortkeyBooks> {
  const logged: LogEntry[] = [];
  const leaving = new AbortController();
  const log = await fetch(`http://127.0.0.1:${port}/log/stream`, { signal: leaving.signal });
  const reading = readLog(log, (entry) => logged.push(entry));
  reading.catch(() => undefined); // it ends when we leave, or with the process
  const fallbacks = stages.map(({ fallback }) => fallback.origin);
  return {
    async entriesOf({ callId }) {
      const giveUpAtMs = performance.now() + entryDeadlineMs;
      for (;;) {
        const entries = logged.filter(({ requestOptions: [first] }) => first?.requestParams.user === callId);
        if (entries.length > 0 || performance.now() > giveUpAtMs)
          return entries.map((entry) => toEntry(entry, fallbacks));
        await Bun.sleep(entryPollMs);
      }
    },
    [Symbol.dispose]: () => leaving.abort(),
  };
}

/** As much of a log entry as is looked at. It says nothing of how a stream ended, nor of its size. */
interface LogEntry {
  readonly status: number;
  /** One for each target that was asked. */
  readonly requestOptions: readonly {
    readonly providerOptions: { readonly requestURL: string };
    readonly requestParams: { readonly user: string; readonly stream: boolean };
    /** Of the first, and where it was no stream: the answer's JSON. */
    readonly response?: unknown;
  }[];
}

async function readLog({ body }: Response, take: (entry: LogEntry) => void): Promise<void> {
  let text = "";
  for await (const bytes of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const events = (text + bytes).split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const data = /^event: log\ndata: (.*)$/m.exec(event)?.[1];
      if (data !== undefined) take(JSON.parse(data) as LogEntry);
    }
  }
}

function toEntry({ status, requestOptions }: LogEntry, fallbacks: readonly string[]): Entry {
  const [first] = requestOptions;
  const url = requestOptions.at(-1)?.providerOptions.requestURL ?? "";
  const isWhole = first?.requestParams.stream === false;
  return {
    status,
    provider: fallbacks.some((origin) => url.startsWith(origin)) ? "fallback" : "primary",
    ending: isWhole ? "whole" : undefined,
    bytes: isWhole ? JSON.stringify(first.response).length : undefined,
  };
}
