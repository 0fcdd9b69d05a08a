import type { Played, Showing } from "./perform.ts";
import type { Scenario } from "./scenario.ts";

/** A target that could not take part. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
}

/** All that was played. */
export interface Results {
  readonly scenarios: readonly Scenario[];
  readonly showings: readonly Showing[];
  readonly leftOut: readonly LeftOut[];
}

/** Scenario by target: passed or not. The last row counts. */
export function summaryTable({ scenarios, showings }: Results): string {
  const rows = scenarios.map((scenario, index) => [
    `${scenario.number}. ${scenario.name}`,
    ...showings.map(({ played }) => (played[index]?.isPass ? "pass" : "FAIL")),
  ]);
  const totals = showings.map(({ played }) => `${passesOf(played)} of ${played.length}`);
  return table([["scenario", ...showings.map(({ target }) => target.name)], ...rows, ["passed", ...totals]]);
}

/** One row for each scenario and target, with what was seen. */
export function detailTable({ scenarios, showings }: Results): string {
  const rows = scenarios.flatMap((_, index) =>
    showings.map(({ target, played }) => detailRow(target.name, played[index])),
  );
  return table([["#", "target", "result", "the program got", "slowest", "requests", "fault"], ...rows]);
}

function detailRow(target: string, played: Played | undefined): string[] {
  if (played === undefined) return [];
  const { scenario, isPass, got, tookMs, attempts, faults } = played;
  const requests = `${attempts.primary} + ${attempts.fallback}`;
  const time = `${(tookMs / 1000).toFixed(1)} s`;
  return [String(scenario.number), target, isPass ? "pass" : "FAIL", got, time, requests, faults.join("; ")];
}

/** The results for programs. */
export function resultsJson({ showings, leftOut }: Results): string {
  const results = showings.flatMap(({ target, played }) =>
    played.map(({ scenario: { number, name }, ...one }) => ({
      target: target.name,
      version: target.version,
      scenario: number,
      name,
      ...one,
    })),
  );
  return JSON.stringify({ results, leftOut }, null, 2);
}

/** The results file. @param command that made it */
export function resultsPage(
  results: Results,
  facts: { readonly date: string; readonly command: string },
): string {
  const { scenarios, showings, leftOut } = results;
  const targets = showings.map(({ target: { name, version } }) => `- ${name}${version && `: ${version}`}`);
  const absent = leftOut.map(({ name, reason }) => `- ${name} is left out: ${reason}`);
  const reasons = scenarios.map(({ number, name, why }) => `${number}. **${name}.** ${why}.`);
  const configurations = showings
    .filter(({ target }) => target.configuration !== "")
    .map(
      ({ target: { name, configuration } }) => `### ${name}\n\n\`\`\`\n${configuration.trimEnd()}\n\`\`\``,
    );
  return `${[
    `# Failover, ${facts.date}`,
    `Made by \`${facts.command}\`; [docs/failover.md](../../docs/failover.md) tells how it is judged.`,
    [...targets, ...absent].join("\n"),
    summaryTable(results),
    "## What was seen",
    "Requests are those that came to the first provider and to its fallback, for all calls of the scenario together.",
    detailTable(results),
    "## The scenarios",
    reasons.join("\n"),
    "## Configurations",
    "As for the first scenario; the others differ in addresses alone.",
    ...configurations,
  ].join("\n\n")}\n`;
}

export function passesOf(played: readonly Played[]): number {
  return played.filter(({ isPass }) => isPass).length;
}

/** Aligned, and Markdown as well. */
function table(rows: readonly (readonly string[])[]): string {
  const [header = []] = rows;
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(header), rule, ...rows.slice(1).map(line)].join("\n");
}
