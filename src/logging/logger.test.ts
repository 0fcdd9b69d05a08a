import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { findSecrets, newCanary } from "../../test/harness/canary.ts";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { systemClock } from "../clock.ts";
import { Secret } from "../secret.ts";
import { createLogger, type LogSettings, type RootLogger } from "./logger.ts";

let directory: TemporaryDirectory;
let file: string;

beforeEach(() => {
  directory = temporaryDirectory();
  file = join(directory.path, "llm-proxy.log");
});
afterEach(() => directory[Symbol.dispose]());

function loggerWith(changes: Partial<LogSettings> = {}): RootLogger {
  const made = createLogger(
    { level: "debug", format: "json", file, stream: "stdout", isColoured: false, ...changes },
    createFakeClock(Date.UTC(2030, 0, 2, 3, 4, 5, 6)),
  );
  if (!made.ok) throw new Error(made.error.message);
  return made.value;
}

async function logged(logger: RootLogger): Promise<string> {
  await logger.flush();
  return readFileSync(file, "utf8");
}

test("a line is one JSON object with time, level and message, and the fields of its logger", async () => {
  const logger = loggerWith();
  logger.child({ request_id: "r" }).child({ method: "GET" }).info("request started", { status: 200 });
  expect(JSON.parse(await logged(logger))).toEqual({
    ts: "2030-01-02T03:04:05.006Z",
    level: "info",
    msg: "request started",
    request_id: "r",
    method: "GET",
    status: 200,
  });
});

test("what is below the level is not written", async () => {
  const logger = loggerWith({ level: "warn" });
  for (const level of ["debug", "info", "warn", "error"] as const) logger[level](level);
  const lines = (await logged(logger)).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).level)).toEqual(["warn", "error"]);
});

test("an error stands as its message with its stack beside it", async () => {
  const logger = loggerWith();
  logger.child({ error: new Error("first") }).error("failed", { error: new TypeError("second") });
  const line = JSON.parse(await logged(logger));
  expect(line.error).toBe("second");
  expect(line.stacktrace).toContain("logger.test.ts");
});

test("odd values do not break a line or throw", async () => {
  const logger = loggerWith();
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  logger.info("100 %s %d", {
    circular,
    big: 5n,
    none: undefined,
    symbol: Symbol("x"),
    date: new Date(Number.NaN),
    f() {},
  });
  expect(JSON.parse(await logged(logger)).msg).toBe("100 %s %d");
});

test.each(["json", "console"] as const)("no secret gets into a %s log on any road", async (format) => {
  const canary = newCanary("log");
  const bearer = `Bearer ${canary.replace("sk-canary-log-", "")}`;
  const logger = loggerWith({ format });
  logger.info(`the provider said ${canary}`, { detail: { nested: [canary] }, secret: new Secret(canary) });
  logger.child({ token: canary }).warn("refused", { header: bearer, url: `/v1?key=${canary}` });
  logger.error("failed", { error: new Error(`Invalid key: ${canary}`) });
  const text = await logged(logger);
  expect(findSecrets(text, [canary, bearer])).toEqual([]);
  expect(text).toContain("***");
});

const evil = 'a\r\n{"level":"info","msg":"forged"}\u001b[2J\u0000\u007f\u009b31m';

test("one record is one line without control characters, whatever is in it (SEC-107)", async () => {
  const logger = loggerWith();
  logger.info(evil, { user_agent: evil, [evil]: evil });
  const text = await logged(logger);
  expect(text.match(/\p{Cc}/gu)).toEqual(["\n"]);
  expect(JSON.parse(text)).toMatchObject({ msg: evil, user_agent: evil });
});

test.each([false, true])(
  "the console format is one line per record that cannot steer the terminal, coloured: %p (SEC-107)",
  async (isColoured) => {
    const logger = loggerWith({ format: "console", isColoured });
    logger.warn(evil, { user_agent: evil, error: new Error(evil) });
    const text = await logged(logger);
    expect(text.trimEnd().split("\n")).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
    const colours = /\u001b\[\d{1,3}m/g;
    expect(colours.test(text)).toBe(isColoured);
    expect(text.replace(colours, "").match(/\p{Cc}/gu)).toEqual(["\n"]);
    expect(text).toContain("WARN");
    expect(text).toContain("03:04:05.006");
  },
);

test("the log file is for the owner alone, and goes on anew after it was moved away", async () => {
  const logger = loggerWith();
  logger.info("one");
  await logger.flush();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  renameSync(file, `${file}.1`);
  logger.reopen();
  logger.info("two");
  expect(await logged(logger)).toContain('"two"');
  expect(readFileSync(`${file}.1`, "utf8")).toContain('"one"');
  expect(logger.dropped()).toBe(0);
});

test("a failure to open the file anew is told in the old one", async () => {
  const logger = loggerWith();
  renameSync(directory.path, `${directory.path}.moved`);
  logger.reopen();
  await logger.flush();
  await logger.flush();
  const text = readFileSync(join(`${directory.path}.moved`, "llm-proxy.log"), "utf8");
  renameSync(`${directory.path}.moved`, directory.path);
  expect(text).toContain("could not be opened anew");
});

test("a log file that cannot be written is a named fault", () => {
  const place = join(directory.path, "gone", "llm-proxy.log");
  const made = createLogger(
    { level: "info", format: "json", file: place, stream: "stdout", isColoured: false },
    systemClock,
  );
  if (made.ok) throw new Error("it was opened");
  expect(made.error.code).toBe("log_file_unwritable");
  expect(made.error.message).toContain(place);
  expect(made.error.advice).toContain("LOG_FILE");
});

test.each(["stdout", "stderr"] as const)(
  "%s is written to, and stays open when logs are opened anew",
  async (stream) => {
    const script = `
    import { createLogger } from "${import.meta.dir}/logger.ts";
    import { systemClock } from "${import.meta.dir}/../clock.ts";
    const { value } = createLogger({ level: "info", format: "json", stream: "${stream}", isColoured: false }, systemClock);
    for (const message of ["one", "two", "three"]) {
      value.info(message);
      await value.flush();
      value.reopen();
    }
    await value.flush();
  `;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
    const texts = { stdout: await child.stdout.text(), stderr: await child.stderr.text() };
    expect(
      texts[stream]
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).msg),
    ).toEqual(["one", "two", "three"]);
    expect(texts[stream === "stdout" ? "stderr" : "stdout"]).toBe("");
  },
);

test("a reader that stalls holds up nothing; lines are lost, counted, and told when it reads again (OPS-106)", async () => {
  const script = `
    import { createLogger } from "${import.meta.dir}/logger.ts";
    import { systemClock } from "${import.meta.dir}/../clock.ts";
    const made = createLogger({ level: "info", format: "json", stream: "stdout", isColoured: false }, systemClock);
    const logger = made.value;
    let worstMs = 0;
    let lastMs = performance.now();
    for (let count = 0; count < 40_000; count++) {
      logger.info("request completed", { count, path: "/v1/chat/completions", filler: "x".repeat(150) });
      if (count % 20 !== 0) continue;
      await new Promise(setImmediate);
      worstMs = Math.max(worstMs, performance.now() - lastMs);
      lastMs = performance.now();
    }
    console.error(JSON.stringify({ worstMs, dropped: logger.dropped() }));
    process.stdin.once("data", async () => {
      const settle = async () => { for (let round = 0; round < 10; round++) await logger.flush(); };
      await settle();
      logger.info("after");
      await settle();
      process.exit();
    });
  `;
  const fifo = join(directory.path, "fifo");
  Bun.spawnSync(["mkfifo", fifo]);
  const held = openSync(fifo, "r+"); // both ends, so that opening does not wait for a reader
  const child = Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: held, stderr: "pipe" });
  const { value } = await child.stderr.getReader().read(); // it got here though nobody reads its lines
  const seen = JSON.parse(Buffer.from(value ?? []).toString());
  expect(seen.dropped).toBeGreaterThan(1_000);
  expect(seen.worstMs).toBeLessThan(500);

  const reader = Bun.spawn(["cat", fifo], { stdout: "pipe" });
  child.stdin.write("go\n");
  child.stdin.flush();
  await child.exited;
  closeSync(held);
  const lines = (await reader.stdout.text())
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const told = lines.filter(({ msg }) => msg === "log lines were lost");
  expect(told.map(({ lost }) => lost)).toEqual([seen.dropped]);
  expect(lines.filter(({ msg }) => msg === "request completed")).toHaveLength(40_000 - seen.dropped);
  expect(lines.at(-1).msg).toBe("after");
}, 20_000);
