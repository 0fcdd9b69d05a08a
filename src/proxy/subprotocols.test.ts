import { expect, test } from "bun:test";
import type { OpenKey } from "../cache/key-cache.ts";
import type { AuthScheme, Provider } from "../provider/provider.ts";
import { Secret } from "../secret.ts";
import { chosenFor, offerFor, subprotocolKeys } from "./subprotocols.ts";

const offering = (text: string) => new Headers({ "sec-websocket-protocol": text });
const key = (text: string): OpenKey => ({ id: "k", weight: 1, text: new Secret(text), version: "1" });
const wanting = (auth: AuthScheme) => ({ auth }) as Provider;
const bearer = wanting({ scheme: "bearer" });

test("every credential among the subprotocols is found", () => {
  expect(subprotocolKeys(offering("a, openai-insecure-api-key.one,openai-insecure-api-key.two"))).toEqual([
    "one",
    "two",
  ]);
  expect(subprotocolKeys(new Headers())).toEqual([]);
});

test("what is no subprotocol, or is there twice, is not offered: the handshake would be invalid", () => {
  const offer = offerFor(offering("realtime, , re@l, realtime, b"), bearer, key("sk-1"));
  expect(offer).toEqual({ protocols: ["realtime", "b"], hasKey: false });
});

test("a key that cannot stand in a subprotocol goes into the header", () => {
  const offered = offering("realtime, openai-insecure-api-key.t");
  expect(offerFor(offered, bearer, key("sk/1="))).toEqual({ protocols: ["realtime"], hasKey: false });
  expect(offerFor(offered, wanting({ scheme: "none" }), undefined)).toEqual({
    protocols: ["realtime"],
    hasKey: false,
  });
});

test("the client is told the provider's choice, and its own credential where that is the choice", () => {
  const offered = offering("realtime, openai-insecure-api-key.mine");
  expect(chosenFor(offered, "realtime")).toBe("realtime");
  expect(chosenFor(offered, "openai-insecure-api-key.theirs")).toBe("openai-insecure-api-key.mine");
  expect(chosenFor(offering("openai-insecure-api-key.mine"), "")).toBe("openai-insecure-api-key.mine");
  expect(chosenFor(new Headers(), "")).toBeUndefined();
});
