/**
 * Yields the `data` of each server-sent event; lines of one event are joined by a line feed.
 * Chunk borders may fall anywhere, also in a character; LF, CRLF and CR end a line; comments and other
 * fields are skipped; an event without its closing blank line is not whole and is dropped. Lines have no cap.
 * Source: WHATWG HTML, "Interpreting an event stream".
 */
export async function* readSseData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  let data: string[] = [];
  for await (const line of readLines(body)) {
    if (line === "") {
      if (data.length > 0) yield data.join("\n");
      data = [];
    } else if (line === "data" || line.startsWith("data:")) {
      data.push(line.slice(5).replace(/^ /, ""));
    }
  }
}

async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let begun = "";
  let endedWithCr = false;
  for await (const bytes of body) {
    let text = decoder.decode(bytes, { stream: true });
    if (endedWithCr && text.startsWith("\n")) text = text.slice(1);
    else if (text === "") continue;
    endedWithCr = text.endsWith("\r");
    const [first = "", ...others] = text.split(/\r\n|\r|\n/);
    begun += first;
    for (const next of others) {
      yield begun;
      begun = next;
    }
  }
}
