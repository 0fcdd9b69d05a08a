import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createProcesses } from "../processes.ts";
import { type Product, startProduct } from "../product.ts";
import { type Caller, type CallOptions, call } from "./caller.ts";
import { type Provider, startProvider } from "./provider.ts";

/** The binary in its default configuration, between providers and callers of this process. */
export interface Lab extends AsyncDisposable {
  readonly product: Product;
  /** The default one. Tries an answer of 500 once more. */
  readonly provider: Provider;
  readonly token: string;
  /** Another host, for another project. */
  readonly other: Provider;
  readonly otherToken: string;
  /** Of the project whose token is `token`. */
  readonly projectId: string;
  call(target: string, options?: Partial<CallOptions>): Promise<Caller>;
  callOther(target: string): Promise<Caller>;
  /** Resident memory of the binary now, in MiB. */
  memoryMib(): number;
  openFiles(): number;
  /** Requests in flight, once there are none or 2 s have passed. */
  leftInFlight(): Promise<number>;
  /** Looks at the memory every 50 ms until it is disposed. */
  watchMemory(): MemoryWatch;
}

export interface MemoryWatch extends Disposable {
  /** The highest so far, above what it was at the start. */
  growthMib(): number;
}

const mib = 2 ** 20;
const lookEveryMs = 50;
/** The end of a request is told a turn or two after its connections have closed. */
const settleMsMax = 2_000;

/** Starts all of it in a directory of its own. @param binary path of the compiled product */
export async function openLab(binary: string): Promise<Lab> {
  const stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-soak-"));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const processes = stack.use(createProcesses());
  const provider = stack.use(startProvider());
  const other = stack.use(startProvider());
  const retries = "    retries: { max: 1, on_status: [500] }\n";
  const product = await startProduct({
    processes,
    directory,
    binary,
    providers: { soak: { url: provider.url, yaml: retries }, other: { url: other.url } },
  }).catch(async (fault: unknown) => {
    await stack.disposeAsync();
    throw fault;
  });
  const projectId = await product.newProject("soak");
  const token = await product.newToken(projectId);
  const otherToken = await product.newToken(await product.newProject("other"));
  const memoryMib = () => (product.process.rssBytes() ?? Number.NaN) / mib;
  return {
    product,
    provider,
    token,
    other,
    otherToken,
    projectId,
    call: (target, options) => call({ port: product.port, token, target, ...options }),
    callOther: (target) => call({ port: product.port, token: otherToken, target }),
    memoryMib,
    openFiles: () => product.process.openFiles() ?? Number.NaN,
    async leftInFlight() {
      const giveUpAtMs = performance.now() + settleMsMax;
      for (;;) {
        const inFlight = await product.metric("llm_proxy_requests_in_flight");
        if (inFlight === 0 || performance.now() > giveUpAtMs) return inFlight;
        await Bun.sleep(lookEveryMs);
      }
    },
    watchMemory() {
      const before = memoryMib();
      let highest = before;
      const look = () => {
        highest = Math.max(highest, memoryMib());
      };
      const timer = setInterval(look, lookEveryMs);
      return {
        growthMib() {
          look();
          return highest - before;
        },
        [Symbol.dispose]: () => clearInterval(timer),
      };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
