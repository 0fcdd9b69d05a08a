import { monitorEventLoopDelay } from "node:perf_hooks";

/** Declares a gauge that is read when it is asked for. */
type ReadGauge = (name: string, help: string, read: () => number) => void;

const sampleMs = 50;
const nanosecondsPerSecond = 1e9;

/** What the runtime can truthfully say of itself; the other names of the predecessor stay absent. */
export function collectRuntime(gauge: ReadGauge): void {
  const lag = monitorEventLoopDelay({ resolution: sampleMs });
  lag.enable(); // does not keep the process alive

  gauge(
    "memory_heap_alloc_bytes",
    "Bytes of objects on the heap, dead ones not yet collected included.",
    () => process.memoryUsage().heapUsed,
  );
  gauge(
    "memory_heap_inuse_bytes",
    "Bytes the runtime holds for its heap.",
    () => process.memoryUsage().heapTotal,
  );
  gauge("memory_sys_bytes", "Resident memory of the process.", () => process.memoryUsage.rss());
  gauge("event_loop_lag_seconds", "Longest delay of the event loop since the last reading.", () => {
    const { max } = lag;
    lag.reset();
    return max / nanosecondsPerSecond;
  });
}
