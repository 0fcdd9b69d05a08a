import { abortedStreams } from "../../bench/soak/aborts.ts";
import { slowReader, slowUpload, stoppedReader, upload } from "../../bench/soak/memory.ts";
import { slowReaders, slowUploads } from "../../bench/soak/streams.ts";
import { testLoads } from "./quick-loads.ts";

// Whoever reads or sends slowly, or leaves, costs no memory.
testLoads([stoppedReader, slowReader, upload, slowUpload, slowReaders, slowUploads, abortedStreams]);
