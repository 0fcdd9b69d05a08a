import { totalmem } from "node:os";

/**
 * Requests to providers that the runtime lets fly at once. Its own limit of 256 can be raised only by the
 * environment it starts with (bun.md section 4).
 */
const requestsMax = "65535";
const variable = "BUN_CONFIG_MAX_HTTP_REQUESTS";
/**
 * The engine plans with the memory of the machine, whatever a container leaves of it, unless this tells it: a burst of
 * large bodies is not collected in time then, and the container is killed (RES-107).
 */
const memoryVariable = "BUN_JSC_forceRAMSize";

type Environment = Readonly<Record<string, string | undefined>>;

/** Memory of this container in bytes; undefined where it has the whole machine's. */
function memoryLimit(): number | undefined {
  const bytes = process.constrainedMemory();
  return bytes > 0 && bytes < totalmem() ? bytes : undefined;
}

/** The environment with the limit raised and the container's memory told, unless it says so itself. */
export function withRaisedLimit(
  environment: Environment,
  memoryBytes = memoryLimit(),
): Record<string, string> {
  const set = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return {
    ...(memoryBytes !== undefined && { [memoryVariable]: String(memoryBytes) }),
    ...Object.fromEntries(set),
    [variable]: environment[variable] || requestsMax,
  };
}

/** How this program is run: the binary, or the runtime with a script. Arguments come after. */
export function ownProgram(): { readonly file: string; readonly script: readonly string[] } {
  return { file: process.execPath, script: Bun.isStandaloneExecutable ? [] : process.argv.slice(1, 2) };
}

/** Replaces this process; absent where the system cannot (Windows). */
export type Execve = (file: string, args: readonly string[], environment: Record<string, string>) => void;

/**
 * Starts this process anew with the limit raised, once: same number, same files, and the variables that it sets
 * keep the second start from doing it again. Returns where there is nothing to do.
 * Where a process cannot be replaced, the limit of the runtime stays, and the warning says how to raise it.
 */
export function raiseLimit(
  environment: Environment,
  execve: Execve | undefined,
  warn: (message: string) => void,
): void {
  const raised = withRaisedLimit(environment);
  if (environment[variable] && raised[memoryVariable] === environment[memoryVariable]) return;
  const { file, script } = ownProgram();
  try {
    if (execve === undefined) throw new Error("this system cannot replace a process");
    execve(file, [file, ...script, ...process.argv.slice(2)], raised);
  } catch (fault) {
    if (environment[variable]) return;
    const reason = fault instanceof Error ? fault.message : String(fault);
    warn(
      `At most 256 requests to providers at once, as ${reason}: set ${variable}=${requestsMax} before the start`,
    );
  }
}
