import { existsSync } from "node:fs";
import { join } from "node:path";

/** Programs that take part besides Bun, as absolute paths. */
export interface Tools {
  readonly wrk: string;
  readonly nginx: string;
  /** The product, as `make build` made it. */
  readonly binary: string;
}

/** The commit, with `-dirty` when the tree has changes on top of it. */
const DESCRIBE_COMMIT = [
  "git",
  "-C",
  import.meta.dirname,
  "describe",
  "--always",
  "--dirty",
  "--abbrev=12",
  "--exclude=*",
];

const PACKAGES = ["wrk", "nginx-light"];

/** Finds them; where one is missing, root on a system with apt gets it installed. @throws {Error} saying what to do */
export function findTools(): Tools {
  const binary = join(import.meta.dirname, "../dist/llm-proxy");
  if (!existsSync(binary)) throw new Error("There is no dist/llm-proxy, run `make build` first");
  let found = lookUp();
  if (found === undefined && mayInstall()) {
    install();
    found = lookUp();
  }
  if (found === undefined) {
    throw new Error(`The benchmark needs wrk and nginx, run \`apt-get install ${PACKAGES.join(" ")}\` first`);
  }
  return { ...found, binary };
}

function lookUp(): { readonly wrk: string; readonly nginx: string } | undefined {
  const wrk = Bun.which("wrk");
  const nginx = Bun.which("nginx") ?? ["/usr/sbin/nginx"].find((path) => existsSync(path));
  return wrk && nginx ? { wrk, nginx } : undefined;
}

function mayInstall(): boolean {
  return process.getuid?.() === 0 && Bun.which("apt-get") !== null;
}

function install(): void {
  const command = ["apt-get", "install", "-y", "--no-install-recommends", ...PACKAGES];
  Bun.spawnSync(command, { stdio: ["ignore", "inherit", "inherit"] });
}

/** Name and version of everything that took part, and the commit of the tree. */
export function versionsOf(tools: Tools): (readonly [string, string])[] {
  return [
    ["bun", Bun.version],
    ["nginx", firstMatch([tools.nginx, "-v"], /nginx\/([\d.]+)/)],
    ["wrk", firstMatch([tools.wrk, "-v"], /wrk (?:debian\/)?([\d.]+)/)],
    ["commit", firstMatch(DESCRIBE_COMMIT, /^([0-9a-f]{12}\S*)/)],
  ];
}

function firstMatch(command: readonly string[], pattern: RegExp): string {
  if (Bun.which(command[0] ?? "") === null) return "unknown";
  const { stdout, stderr } = Bun.spawnSync([...command]);
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? "unknown";
}
