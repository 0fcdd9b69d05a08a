import type { Provider } from "../provider/provider.ts";
import { quote } from "./values.ts";

/** Takes down what is wrong with the `fallback` of that provider. */
type Report = (provider: string, message: string, code?: "unknown_name") => void;

/**
 * Follows each `fallback` to its end: to those that a provider names come those that they name, each once. All of
 * them exist and speak its dialect, and no way leads back; what is wrong is reported.
 * @param suggest the end of a sentence about a name that is none
 */
export function followFallbacks(
  byName: ReadonlyMap<string, Provider>,
  suggest: (name: string) => string,
  report: Report,
): ReadonlyMap<string, Provider> {
  const chains = new Map<string, readonly string[]>();

  function faultOf(from: Provider, name: string, way: readonly string[]): string | undefined {
    const to = byName.get(name);
    if (name === from.name) return "names the provider itself: name another one";
    if (to === undefined) return undefined;
    if (to.dialect !== from.dialect)
      return `names ${name}, which speaks ${to.dialect} and not ${from.dialect}: a fallback must speak the same`;
    if (!way.includes(name)) return undefined;
    const circle = [...way.slice(way.indexOf(name)), from.name, name];
    return `leads back to where it began (${circle.join(" -> ")}): remove one of them`;
  }

  function chainOf(from: Provider, way: readonly string[]): readonly string[] {
    const known = chains.get(from.name);
    if (known !== undefined) return known;
    const next = from.fallback.flatMap((name) => {
      const to = byName.get(name);
      const fault = faultOf(from, name, way);
      if (fault !== undefined) report(from.name, fault);
      else if (to === undefined)
        report(from.name, `names no provider: ${quote(name)}${suggest(name)}`, "unknown_name");
      return fault === undefined && to !== undefined ? [to] : [];
    });
    const further = next.flatMap((to) => chainOf(to, [...way, from.name]));
    const chain = [...new Set([...next.map(({ name }) => name), ...further])];
    chains.set(from.name, chain);
    return chain;
  }

  return new Map([...byName].map(([name, one]) => [name, { ...one, fallback: chainOf(one, []) }]));
}
