import { abortedStreams } from "./aborts.ts";
import { hangUps } from "./hang-ups.ts";
import type { Load } from "./load.ts";
import { slowReader, slowUpload, stoppedReader, upload } from "./memory.ts";
import { mixedTraffic } from "./mixed.ts";
import { addedDelay, eventDelay } from "./pace.ts";
import { silence } from "./silence.ts";
import { greedyToken, manyStreams, slowReaders, slowUploads } from "./streams.ts";

/** All loads, the short ones first. @param minutes how long the mixed one goes on at full size */
export function allLoads(minutes: number): readonly Load[] {
  return [
    addedDelay,
    hangUps,
    stoppedReader,
    slowReader,
    upload,
    slowUpload,
    manyStreams,
    greedyToken,
    slowReaders,
    slowUploads,
    eventDelay,
    abortedStreams,
    silence,
    mixedTraffic(minutes),
  ];
}
