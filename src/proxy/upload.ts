/** The client has stopped in the middle of a body that it owes. */
export class UploadStalled extends Error {
  override readonly name = "UploadStalled";
}

/** The longest time that a timer takes. */
const timerMsMax = 2 ** 31 - 1;

/**
 * Passes a request body on at the pace of its reader, and breaks it off where the client sends nothing for `silenceMs`
 * while it is waited for (TMO-106); a provider that does not read is no silence of the client's. 0 is no limit. The reader gets an
 * `UploadStalled`. `onChunk` sees each piece before it is handed on; its memory is given away then.
 */
export function watchUpload(
  body: ReadableStream<Uint8Array>,
  silenceMs: number,
  onChunk?: (chunk: Uint8Array) => void,
): ReadableStream<Uint8Array> {
  if (silenceMs === 0 && onChunk === undefined) return body;
  const reader = body.getReader();
  let isWaiting = false;
  let timer: Timer;
  const giveUp = () => {
    clearTimeout(timer);
    reader.cancel().catch(() => {}); // the client may be gone already
  };
  return new ReadableStream<Uint8Array>(
    {
      type: "bytes", // a third less memory than the default kind at its highest: docs/capacity.md, slow uploads
      start(controller) {
        timer = setTimeout(() => {
          if (!isWaiting) return;
          controller.error(stalled());
          giveUp();
        }, silenceMs || timerMsMax);
      },
      async pull(controller) {
        isWaiting = true;
        timer.refresh(); // one timer for all chunks: a new one for each would double what an upload costs
        try {
          const { done, value } = await reader.read();
          isWaiting = false;
          if (!done) {
            onChunk?.(value); // before it is given away
            controller.enqueue(value as Uint8Array<ArrayBuffer>);
          } else {
            clearTimeout(timer);
            controller.close();
          }
        } catch (fault) {
          clearTimeout(timer);
          throw fault;
        }
      },
      cancel: giveUp,
    },
    { highWaterMark: 0 },
  );
}

/** @throws {UploadStalled} when it takes longer; 0 is no limit */
export async function inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
  if (limitMs === 0) return await work;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(stalled()), limitMs);
  return await Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

function stalled(): UploadStalled {
  return new UploadStalled("the client sent nothing for too long");
}
