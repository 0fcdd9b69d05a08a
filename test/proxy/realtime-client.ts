import OpenAI from "openai";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";

// The official client, in a process of its own: it wants TLS, and the certificate must be trusted from the start.
// Arguments: base URL, token. Tells in one line of JSON what it saw.

const [baseURL, apiKey] = Bun.argv.slice(2);
const client = new OpenAI({ baseURL: baseURL!, apiKey: apiKey! });
const realtime = new OpenAIRealtimeWebSocket({ model: "gpt-realtime" }, client);
const seen: string[] = [];
realtime.on("event", ({ type }) => seen.push(type));
realtime.on("error", ({ message }) => seen.push(`error: ${message}`));
realtime.on("session.created", () => realtime.send({ type: "response.create" }));
realtime.on("response.done", () => realtime.close());
realtime.socket.addEventListener("close", ({ code }) =>
  process.stdout.write(JSON.stringify({ seen, code, protocol: realtime.socket.protocol })),
);
