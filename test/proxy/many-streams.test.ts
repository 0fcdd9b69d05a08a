import { hangUps } from "../../bench/soak/hang-ups.ts";
import { mixedTraffic } from "../../bench/soak/mixed.ts";
import { eventDelay } from "../../bench/soak/pace.ts";
import { greedyToken, manyStreams } from "../../bench/soak/streams.ts";
import { testLoads } from "./quick-loads.ts";

// Very many at once, and one after the other: nobody waits for another, and nothing stays.
testLoads([manyStreams, greedyToken, eventDelay, hangUps, mixedTraffic(1)]);
