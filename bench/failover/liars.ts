import type { OpenTarget, Stage } from "./target.ts";

/** What a liar does with a request to the providers of a stage. */
type Lie = (stage: Stage, ask: (origin: string) => Promise<Response>) => Promise<Response>;

/** A gateway that lies, for the test that it is found out. */
function liar(name: string, lie: Lie): OpenTarget {
  return (stages) => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      async fetch(request) {
        const stage = stages[Number(request.headers.get("x-stage"))];
        if (stage === undefined) return new Response(null, { status: 404 });
        const body = await request.text();
        const { pathname } = new URL(request.url);
        const ask = (origin: string) => fetch(origin + pathname, { method: "POST", body, keepalive: false });
        return lie(stage, ask).catch(() => new Response(null, { status: 502 }));
      },
    });
    return Promise.resolve({
      name,
      version: "",
      configuration: "",
      doors: stages.map((_, index) => ({ port: server.port ?? 0, headers: { "x-stage": String(index) } })),
      [Symbol.asyncDispose]: () => server.stop(true),
    });
  };
}

/** All is well, always: errors become answers, and what breaks off ends in order. It waits for ever. */
export const openCheerful = liar("cheerful", async ({ primary }, ask) => {
  const answer = await ask(primary.origin).catch(() => undefined);
  const apology = { choices: [{ message: { content: "Sorry." }, finish_reason: "stop" }] };
  if (!answer?.ok || answer.body === null) return Response.json(apology);
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of answer.body) pieces.push(piece);
  } catch {
    // told to nobody: that is the lie
  }
  return new Response(Buffer.concat(pieces), {
    headers: { "content-type": answer.headers.get("content-type") ?? "" },
  });
});

/** Asks both providers each time, to be quick, and has both paid for. */
export const openSpendthrift = liar("spendthrift", async ({ primary, fallback }, ask) => {
  ask(fallback.origin).catch(() => {}); // its answer is of no interest
  return whole(await ask(primary.origin));
});

/** Asks again and again at once, whatever it is told. */
export const openStubborn = liar("stubborn", async ({ primary }, ask) => {
  const triesMax = 10;
  for (let tries = 1; ; tries++) {
    const answer = await ask(primary.origin);
    if (answer.ok || tries === triesMax) return whole(answer);
    await answer.text();
  }
});

/** Not as a stream: what breaks off in a server of this process is printed. */
async function whole(answer: Response): Promise<Response> {
  return new Response(await answer.arrayBuffer(), answer);
}
