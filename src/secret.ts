import { inspect } from "node:util";

/**
 * A text that must not be seen. Printing, logging, joining or serialising it in any way gives `***`;
 * only `reveal()` gives the text, so that every place that uses one can be found by searching for it.
 */
export class Secret {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  reveal(): string {
    return this.#text;
  }
  toString(): string {
    return "***";
  }
  toJSON(): string {
    return "***";
  }
  [inspect.custom](): string {
    return "***";
  }
}
