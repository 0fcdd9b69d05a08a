import { openSync } from "node:fs";
import { pino } from "pino";
import { prettyFactory } from "pino-pretty";
import type { Clock } from "../clock.ts";
import { fail, ok, type Result } from "../result.ts";
import { createLineWriter, type LineWriter } from "./line-writer.ts";
import { redact } from "./redact.ts";

/** `error` may be an Error: its message stands as `error`, its stack as `stacktrace`. */
export type Fields = Readonly<Record<string, unknown>>;

type LogLevel = "debug" | "info" | "warn" | "error";

/** Never throws, never waits, never blocks. Whatever has the shape of a secret is masked. */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger whose every line has these fields. */
  child(fields: Fields): Logger;
  /** Resolves when the lines so far are out, or after a second: for the end of the process. */
  flush(): Promise<void>;
  /** Lines lost since the start, because nobody took them or the disk was full. */
  dropped(): number;
}

/** The logger that owns the destination. */
export interface RootLogger extends Logger {
  /** Opens the log file anew, after it was moved away. */
  reopen(): void;
}

export interface LogSettings {
  readonly level: LogLevel;
  /** `json`: one object per line with `ts`, `level`, `msg`. `console`: for people. */
  readonly format: "json" | "console";
  /** Appended to, made with mode 0600 where it is missing. Without one: `stream`. */
  readonly file?: string | undefined;
  /** Default stdout. */
  readonly stream?: "stdout" | "stderr";
  /** Colours in the console format. */
  readonly isColoured: boolean;
}

/** The log file cannot be written. */
export interface LogFault {
  readonly code: "log_file_unwritable";
  readonly message: string;
  readonly advice: string;
}

const descriptors = { stdout: 1, stderr: 2 };
const waitingMax = 4 * 1024 * 1024;
const flushTimeoutMs = 1_000;

/** Opens the destination and makes the logger of the process. */
export function createLogger(settings: LogSettings, clock: Clock): Result<RootLogger, LogFault> {
  const { file } = settings;
  try {
    const writer = createLineWriter({
      open: () =>
        file === undefined ? descriptors[settings.stream ?? "stdout"] : openSync(file, "a", 0o600),
      waitingMax,
      onLost: (lines) => logger.warn("log lines were lost", { lost: lines }),
      onReopenFailure: (error) => logger.error("the log file could not be opened anew", { error }),
    });
    const logger = rootLogger(settings, clock, writer);
    return ok(logger);
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    return fail({
      code: "log_file_unwritable",
      message: `The log file ${file} cannot be written (${code})`,
      advice: "Point LOG_FILE to a file in a directory that the user that runs llm-proxy may write to",
    });
  }
}

function rootLogger(settings: LogSettings, clock: Clock, writer: LineWriter): RootLogger {
  const format = settings.format === "json" ? toJson : toConsole(settings.isColoured);
  const root = pino(
    {
      level: settings.level,
      base: null,
      timestamp: () => `,"ts":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
    },
    { write: (line: string) => writer.write(format(line)) },
  );
  return { ...wrap(root, writer), reopen: writer.reopen };
}

function wrap(inner: pino.Logger, writer: LineWriter): Logger {
  return {
    debug: (message, fields) => inner.debug(flat(fields), message),
    info: (message, fields) => inner.info(flat(fields), message),
    warn: (message, fields) => inner.warn(flat(fields), message),
    error: (message, fields) => inner.error(flat(fields), message),
    child: (fields) => wrap(inner.child(flat(fields)), writer),
    flush: () => writer.flush(flushTimeoutMs),
    dropped: writer.dropped,
  };
}

function flat(fields: Fields = {}): Fields {
  const { error } = fields;
  return error instanceof Error ? { ...fields, error: error.message, stacktrace: error.stack } : fields;
}

function toJson(line: string): string {
  return escaped(redact(line), laterControls);
}

/** The JSON line as people read it. */
function toConsole(isColoured: boolean): (line: string) => string {
  const pretty = prettyFactory({
    colorize: isColoured,
    errorLikeObjectKeys: [],
    timestampKey: "ts",
    translateTime: "UTC:HH:MM:ss.l",
    singleLine: true,
    messageFormat: (log, messageKey) => escaped(String(log[messageKey]), controls),
  });
  return (line) => escaped(pretty(redact(line)), controlsButColours);
}

/* A terminal must not be steered by what a caller sent, and a line must stay one line (cases.md SEC-107). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\x00-\x1f\x7f-\x9f]/g;
/** Those that JSON allows to stand as they are. */
const laterControls = /[\x7f-\x9f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controlsButColours = /(?!\x1b\[\d{1,3}m)[\x00-\x09\x0b-\x1f\x7f-\x9f]/g;

function escaped(text: string, characters: RegExp): string {
  return text.replace(
    characters,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
