/** The yardstick: the smallest relay that Bun can be, without any feature. Own process; takes the origin, prints its port. */
if (import.meta.main) {
  const origin = process.argv[2] ?? "";
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const url = request.url;
      const headers = new Headers(request.headers);
      headers.delete("host");
      const answer = await fetch(origin + url.slice(url.indexOf("/", 8)), {
        method: request.method,
        headers,
        body: request.body === null ? null : await request.arrayBuffer(),
        redirect: "manual",
        decompress: false,
        signal: request.signal,
      });
      return new Response(answer.body, { status: answer.status, headers: answer.headers });
    },
  });
  process.stdout.write(`${server.port}\n`);
}
