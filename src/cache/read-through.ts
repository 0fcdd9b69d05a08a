import { createExpiringMap } from "./expiring-map.ts";

export interface ReadThrough<Value> {
  /** What is remembered under the name, at once; else what `read` gives, which is then remembered unless undefined. */
  find<Read extends Value | undefined>(name: string, read: () => Promise<Read>): Value | Promise<Read>;
  forgetWhere(isMeant: (value: Value) => boolean): void;
}

/**
 * A cache in front of the store. What is forgotten while a look-up is under way is not put back by it: the look-up
 * may have read the row from before the change.
 */
export function createReadThrough<Value>(
  limits: Parameters<typeof createExpiringMap<Value>>[0],
): ReadThrough<Value> {
  const remembered = createExpiringMap<Value>(limits);
  let generation = 0;

  async function readAndKeep<Read extends Value | undefined>(name: string, read: () => Promise<Read>) {
    const readIn = generation;
    const value = await read();
    if (value !== undefined && readIn === generation) remembered.set(name, value);
    return value;
  }

  return {
    find: (name, read) => remembered.get(name) ?? readAndKeep(name, read),
    forgetWhere(isMeant) {
      generation++;
      remembered.deleteWhere(isMeant);
    },
  };
}
