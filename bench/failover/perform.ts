import { type Ask, call, type Seen } from "./client.ts";
import { answer } from "./deeds.ts";
import type { Evidence } from "./evidence.ts";
import { judge, type Verdict } from "./judge.ts";
import { startProvider } from "./provider.ts";
import type { Scenario } from "./scenario.ts";
import type { OpenTarget, Stage, Target } from "./target.ts";

/** How one target did in one scenario. */
export interface Played extends Verdict {
  readonly scenario: Scenario;
  /** Of the slowest call. */
  readonly tookMs: number;
  /** Requests that came to each provider. */
  readonly attempts: { readonly primary: number; readonly fallback: number };
}

/** What is fair beyond a scaled bound: processes start, timers are late, some pauses do not scale. */
const graceMs = 2_000;
/** How long a provider may go on after the end of its call until it counts as abandoned. */
const abandonedAfterMs = 1_000;

/** What came of a target. */
export interface Showing {
  readonly target: Pick<Target, "name" | "version" | "configuration">;
  /** In the order of the scenarios. */
  readonly played: readonly Played[];
}

/**
 * Plays all scenarios at the same time before one target, each with two providers of its own.
 * @param onEnd told after each @throws {Error} saying why the target cannot take part
 */
export async function perform(
  openTarget: OpenTarget,
  scenarios: readonly Scenario[],
  scale: number,
  onEnd: (scenario: Scenario, target: Target) => void,
): Promise<Showing> {
  await using scope = new AsyncDisposableStack();
  const stages: Stage[] = [];
  for (const scenario of scenarios) {
    const { primary, fallback = [answer] } = scenario;
    stages.push({
      scenario,
      primary: scope.use(await startProvider("primary", primary, scale)),
      fallback: scope.use(await startProvider("fallback", fallback, scale)),
    });
  }
  const target = scope.use(await openTarget(stages, scale));
  const played = await Promise.all(
    stages.map(async (stage, index) => {
      const one = await play(stage, target, index, scale);
      onEnd(stage.scenario, target);
      return one;
    }),
  );
  return { target, played };
}

async function play(stage: Stage, target: Target, index: number, scale: number): Promise<Played> {
  const { scenario, primary, fallback } = stage;
  const door = target.doors[index];
  if (door === undefined) throw new Error(`${target.name} has no door for scenario ${scenario.number}`);
  const boundMs = scenario.boundMs * scale + graceMs;
  const seen = await callAll(scenario, scale, (ask) => call(door, ask, boundMs));
  await Bun.sleep(abandonedAfterMs);
  const attempts = [...primary.attempts, ...fallback.attempts].toSorted((a, b) => a.atMs - b.atMs);
  const evidence: Evidence = {
    seen,
    attempts,
    abandoned: attempts.filter((attempt) => !attempt.hasActed && !attempt.isCut()),
    entries: await (scenario.needsBooks ? entriesOf(seen, target) : undefined),
  };
  return {
    scenario,
    ...judge(scenario, boundMs, evidence),
    tookMs: Math.max(...seen.map(({ tookMs }) => tookMs)),
    attempts: { primary: primary.attempts.length, fallback: fallback.attempts.length },
  };
}

function entriesOf(seen: readonly Seen[], { entriesOf }: Target): Promise<Evidence["entries"]> {
  return entriesOf === undefined ? Promise.resolve(undefined) : Promise.all(seen.map(entriesOf));
}

async function callAll(
  { calls, pace }: Scenario,
  scale: number,
  make: (ask: Ask) => Promise<Seen>,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  if (pace === undefined) {
    for (const ask of calls) seen.push(await make(ask));
    return seen;
  }
  const [ask = { isStream: false }] = calls;
  const started: Promise<Seen>[] = [];
  for (let call = 0; call < pace.forMs / pace.everyMs; call++) {
    started.push(make(ask));
    await Bun.sleep(pace.everyMs * scale);
  }
  return await Promise.all(started);
}
