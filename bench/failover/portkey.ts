import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/harness/free-port.ts";
import { temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { untilAnswering } from "../product.ts";
import { openPortkeyBooks } from "./portkey-books.ts";
import { limits, type OpenTarget, providerKey, type Stage } from "./target.ts";

const version = "1.15.2";
/**
 * What the gateway's repository builds with and its package does not say: the web server whose `Response` can be added
 * to (with 1.19.19, which npm takes, every stream is a 500), and changes to two packages. Without that of `async-retry`
 * no `Retry-After` is kept. Both are made here, so that it is seen at its best.
 */
const webServerVersion = "1.13.5";
const mends = [
  { file: "async-retry/lib/index.js", from: "fn(bail, num)", to: "fn(bail, num, op)" },
  {
    file: "@hono/node-server/dist/index.mjs",
    from: "return responseViaResponseObject(res, outgoing, options)",
    to: "return await responseViaResponseObject(res, outgoing, options)",
  },
];
/** Outside of `package.json`: nothing of ours needs it. */
const home = join(import.meta.dirname, "../../.tools/peers/portkey");
const modules = join(home, "node_modules");
const script = join(modules, "@portkey-ai/gateway/build/start-server.js");

/** Portkey's open-source gateway from npm, with its console, whose log are its books. */
export const openPortkey: OpenTarget = async (stages, scale) => {
  const node = installPortkey();
  await using scope = new AsyncDisposableStack();
  const directory = scope.use(temporaryDirectory());
  const port = await freePort();
  const logFile = join(directory.path, "portkey.log");
  const child = Bun.spawn([node, script, `--port=${port}`], {
    cwd: directory.path,
    env: {},
    stdio: ["ignore", Bun.file(logFile), Bun.file(logFile)],
  });
  scope.defer(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  await untilAnswering(`http://127.0.0.1:${port}/`, "Portkey", logFile);
  const books = scope.use(await openPortkeyBooks(port, stages));
  const headersFor = (stage: Stage) => ({ "x-portkey-config": JSON.stringify(configOf(stage, scale)) });
  const started = scope.move();
  return {
    name: "portkey",
    version: `${version} from npm, with @hono/node-server ${webServerVersion} and async-retry patched as in its repository`,
    configuration: JSON.stringify(stages[0] && configOf(stages[0], scale), null, 2),
    doors: stages.map((stage) => ({ port, headers: headersFor(stage) })),
    entriesOf: books.entriesOf,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
};

/** Fetches it, unless it is there. @returns the path of Node.js @throws {Error} saying what is missing */
function installPortkey(): string {
  const node = Bun.which("node");
  const npm = Bun.which("npm");
  if (node === null || npm === null) throw new Error("Node.js with npm is not installed");
  const ready = join(home, ".ready"); // written last: an installation that was broken off is made anew
  if (existsSync(ready)) return node;
  mkdirSync(home, { recursive: true });
  const dependencies = { "@portkey-ai/gateway": version };
  const overrides = { "@hono/node-server": webServerVersion };
  writeFileSync(join(home, "package.json"), JSON.stringify({ private: true, dependencies, overrides }));
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { exitCode, stderr } = Bun.spawnSync([npm, "install", "--prefix", home, ...flags], { cwd: home });
  if (exitCode !== 0) throw new Error(`npm could not install it: ${stderr.toString().trim().split("\n")[0]}`);
  for (const { file, from, to } of mends) replaceIn(join(modules, file), from, to);
  writeFileSync(ready, "");
  return node;
}

function replaceIn(file: string, from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  if (!text.includes(from) && !text.includes(to)) throw new Error(`${file} is not as expected`);
  writeFileSync(file, text.replace(from, to));
}

/** Fallback over two targets with retries, `Retry-After` and a limit each, as its documentation shows them. */
function configOf({ primary, fallback }: Stage, scale: number) {
  const target = (origin: string) => ({
    provider: "openai",
    api_key: providerKey,
    custom_host: `${origin}/v1`,
    request_timeout: limits.responseHeaderMs * scale,
    retry: { attempts: limits.retriesMax, on_status_codes: limits.retryOn, use_retry_after_header: true },
  });
  return {
    // 408 is its own word for a limit that has passed.
    strategy: { mode: "fallback", on_status_codes: [408, ...limits.retryOn] },
    targets: [target(primary.origin), target(fallback.origin)],
  };
}
