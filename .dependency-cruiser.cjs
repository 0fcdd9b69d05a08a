// Who may import whom. A room may always import itself; type-only imports count; tests may import anything.
// A change here is a change of the architecture: docs/architecture.md has the reasons.

const ground = [
  "src/result.ts",
  "src/clock.ts",
  "src/secret.ts",
  "src/page.ts",
  "src/nearest.ts",
  "src/version.ts",
  "src/client-ip.ts",
  "src/ip-reach.ts",
];
const domain = ["src/usage", "src/provider", "src/limit", "src/audit", "src/project", "src/token"];
const tell = ["src/logging", "src/metrics"];
/** The composition root, the only place that sees every room. */
const root = [
  "src/app.ts",
  "src/app-data-plane.ts",
  "src/app-stores.ts",
  "src/app-certificate.ts",
  "src/app-database.ts",
  "src/app-rotation.ts",
  "src/app-housekeeping.ts",
  "src/app-ledger.ts",
];
const everything = ["src", "migrations", "web"];

const mayImport = {
  "src/usage": [...ground],
  "src/audit": [...ground],
  "src/provider": [...ground, "src/usage"],
  "src/limit": [...ground, "src/usage"],
  "src/project": [...ground, "src/provider", "src/limit", "src/audit"],
  "src/token": [...ground, "src/limit", "src/audit", "src/project"],
  "src/config": [...ground, "src/provider", "src/usage"],
  "src/crypto": [...ground],
  "src/logging": [...ground],
  "src/metrics": [...ground],
  "src/mock": [...ground],
  "src/storage": [...ground, ...domain, ...tell, "migrations"],
  "src/cache": [...ground, ...domain, ...tell],
  "src/proxy": [...ground, ...domain, ...tell, "src/cache"],
  "src/api": [...ground, ...domain, ...tell, "src/cache", "src/crypto/constant-time.ts"],
  "src/server": [
    ...ground,
    ...tell,
    "src/proxy",
    "src/api",
    "src/audit/entry.ts",
    "src/crypto/constant-time.ts",
  ],
  web: [...domain],
  migrations: [...ground],
  bench: [...ground],
  cli: [
    ...ground,
    "src/app.ts",
    "src/app-database.ts",
    "src/app-rotation.ts",
    "src/config",
    "src/crypto",
    "src/mock",
    "bench",
  ],
  "cli/manage": [...ground, "cli", "src/audit"],
};

/** Packages that have one home. */
const homes = [
  { packages: ["bun:sqlite"], home: ["src/storage/sqlite.ts"] },
  { packages: ["elysia", "@elysiajs/[^/]+"], home: ["src/server", "src/api", "web"] },
  { packages: ["citty"], home: ["cli"] },
  { packages: ["pino", "pino-pretty"], home: ["src/logging"] },
  { packages: ["prom-client"], home: ["src/metrics"] },
  { packages: ["gpt-tokenizer"], home: ["src/proxy/token-count.ts"] },
  { packages: ["yaml"], home: ["src/config"] },
  { packages: ["ipaddr.js"], home: ["src/client-ip.ts", "src/ip-reach.ts"] },
];

const tests = "(^test/|\\.test\\.tsx?$)";

/** A pattern for these files, and all below those that are rooms. */
function within(places) {
  return `^(${places.map((place) => place.replaceAll(".", "\\.")).join("|")})(/|$)`;
}

function roomRule([room, allowed]) {
  const inner = Object.keys(mayImport).filter((other) => other.startsWith(`${room}/`));
  const isOwnGround = room === "src" ? [] : [room];
  return {
    name: `${room} may import`,
    comment: allowed.join(", "),
    severity: "error",
    from: { path: within([room]), pathNot: [tests, ...(inner.length > 0 ? [within(inner)] : [])] },
    to: { path: within([...everything, "cli", "bench"]), pathNot: within([...isOwnGround, ...allowed]) },
  };
}

module.exports = {
  forbidden: [
    ...Object.entries(mayImport).map(roomRule),
    {
      name: "every file has a room",
      comment: "A new room gets a line in the table above",
      severity: "error",
      from: {
        path: "^(src|cli|web)/",
        pathNot: [tests, within([...Object.keys(mayImport), ...ground, ...root])],
      },
      to: {},
    },
    {
      name: "ground stands on nothing",
      severity: "error",
      from: { path: within(ground), pathNot: tests },
      to: { path: within([...everything, "cli", "bench"]), pathNot: within(ground) },
    },
    {
      name: "domain does no I/O and needs no packages",
      severity: "error",
      from: { path: within(domain), pathNot: tests },
      to: { dependencyTypes: ["npm", "core"], path: ".", pathNot: "^(node:)?crypto$" },
    },
    ...homes.map(({ packages, home }) => ({
      name: `${packages.join(", ")} only in ${home.join(", ")}`,
      severity: "error",
      from: { pathNot: [tests, within(home)] },
      to: { path: `(^|node_modules/)(${packages.join("|")})(/|$)` },
    })),
    {
      name: "no cycles",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "sources do not import tests",
      comment: "But for the scenarios of failure, which play on the fake provider of the tests",
      severity: "error",
      from: { pathNot: [tests, "^bench/failover/"] },
      to: { path: tests },
    },
    {
      name: "every import is found",
      severity: "error",
      from: {},
      to: { couldNotResolve: true, pathNot: "^bun(:|$)" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "bun", "node", "default", "types"],
    },
  },
};
