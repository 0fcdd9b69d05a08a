import type { Load, Sample } from "./load.ts";
import type { Plan } from "./plan.ts";
import type { Progress } from "./progress.ts";
import type { Cell } from "./report.ts";
import { pathOf, requestBody, SCENARIOS, type Scenario } from "./scenarios.ts";
import type { Target } from "./targets.ts";

/** Puts one load on one target. */
export type Driver = (load: Load) => Promise<Sample>;

const WARM_UP_CONNECTIONS = 16;

/** Every target must give the very bytes of the provider, or the figures compare different work. @throws {Error} if not */
export async function checkAnswers(targets: readonly Target[]): Promise<void> {
  for (const scenario of SCENARIOS) {
    const answers = await Promise.all(targets.map((target) => answerOf(target, scenario)));
    const odd = targets.findIndex((_, index) => answers[index] !== answers[0]);
    if (odd >= 0) {
      throw new Error(
        `${targets[odd]?.name} does not pass the provider's answer on: ${answers[odd]?.slice(0, 300)}`,
      );
    }
  }
}

async function answerOf(target: Target, scenario: Scenario): Promise<string> {
  const headers = { authorization: `Bearer ${target.token}`, "content-type": "application/json" };
  const url = `http://127.0.0.1:${target.port}${pathOf(scenario)}`;
  const answer = await fetch(url, { method: "POST", headers, body: requestBody() });
  return `${answer.status} ${await answer.text()}`;
}

/** One second of each load that `wrk` makes on every target, not counted. */
export async function warmUp(targets: readonly Target[], drive: Driver): Promise<void> {
  for (const target of targets) {
    for (const scenario of SCENARIOS) {
      if (scenario.name === "paced") continue;
      await drive({ target, scenario, connections: WARM_UP_CONNECTIONS, seconds: 1 });
    }
  }
}

/** Round by round every load on every target; the order of the targets turns with the round, so that none is favoured. */
export async function runRounds(
  plan: Plan,
  targets: readonly Target[],
  { drive, progress }: { readonly drive: Driver; readonly progress: (parts: number) => Progress },
): Promise<Cell[]> {
  const cells = SCENARIOS.flatMap((scenario) =>
    plan.connections.map((connections) => ({
      scenario,
      connections,
      rows: targets.map((target) => ({ target: target.name, samples: [] as Sample[] })),
    })),
  );
  const shown = progress(plan.rounds * cells.length * targets.length);
  for (let round = 0; round < plan.rounds; round++) {
    const order = [...targets.keys()].map((index) => (index + round) % targets.length);
    for (const { scenario, connections, rows } of cells) {
      for (const index of order) {
        const [target, row] = [targets[index], rows[index]];
        if (target === undefined || row === undefined) continue;
        const sample = await drive({ target, scenario, connections, seconds: plan.seconds });
        row.samples.push(sample);
        shown.step(
          `${scenario.name} c=${connections} ${target.name}: ${sample.perSecond.toFixed(0)} ${scenario.unit}s/s`,
        );
      }
    }
  }
  shown.end();
  return cells;
}
