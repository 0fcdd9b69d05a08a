import { estimateTokens, type TextSample } from "./token-count.ts";

/** Entry of the thread that counts tokens: the tokenizer takes 0.5 s to load, and 100 MB while it is there. */
declare const self: {
  onmessage: (event: MessageEvent<{ readonly id: number; readonly sample: TextSample }>) => void;
  postMessage(message: unknown): void;
};

self.onmessage = ({ data: { id, sample } }) => self.postMessage({ id, counts: estimateTokens(sample) });
