import type { Grant } from "../cache/grant-cache.ts";
import type { Place } from "../limit/gate.ts";
import type { Provider } from "../provider/provider.ts";
import type { Route } from "../provider/route.ts";
import type { Arrival, Body, Hold, Permit, Reply } from "./call.ts";
import type { Metering } from "./meter.ts";
import type { Refusal } from "./refuse.ts";
import type { End } from "./relay.ts";

/** What is known of a request when it ends, however far it came. */
export interface Trace {
  readonly arrival: Arrival;
  grant?: Grant;
  provider?: Provider | undefined;
  permit?: Permit;
  /** What is asked for, by the whole path at the provider. */
  route?: Route;
  body?: Body;
  place?: Place;
  hold?: Hold;
  reply?: Reply;
  isStream?: boolean;
  refusal?: Refusal;
  end?: End;
  /** Knows what the answer told, once that is at its end. */
  meter?: { end(): Metering | Promise<Metering> };
}
