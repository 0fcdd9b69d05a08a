import { connect, createServer } from "node:net";
import type { Loaded } from "../src/config/load.ts";
import { type Address, formatAddress } from "../src/config/units.ts";
import { type Check, failed, good, warning } from "./doctor-check.ts";
import type { CliIo } from "./output.ts";
import { localUrl, probe } from "./server-probe.ts";

const answerTimeoutMs = 2_000;
const connectTimeoutMs = 3_000;

/** A server is ready there, or the port is free for one. */
export async function checkPort(address: Address, isTls: boolean): Promise<Check> {
  const name = "port";
  const place = formatAddress(address);
  const url = localUrl(place, isTls);
  const answer =
    url.ok && address.port !== 0
      ? await probe(`${url.value}/ready`, answerTimeoutMs, { isOwn: true })
      : undefined;
  if (answer?.ok) {
    return answer.value === 200
      ? good(name, `A server is ready at ${place}`)
      : warning(
          name,
          `What listens at ${place} answers ${answer.value} to /ready`,
          "Look at the log of that server",
        );
  }
  if (answer?.error === "timeout") {
    return failed(
      name,
      `What listens at ${place} does not answer within ${answerTimeoutMs} ms`,
      "End it if it is a hung server, or choose another LISTEN_ADDR",
    );
  }
  const fault = await tryToListen(address);
  if (fault === undefined) return good(name, `${place} is free`);
  const advice =
    "End what holds it, choose another LISTEN_ADDR, or, below port 1024, grant CAP_NET_BIND_SERVICE";
  return failed(name, `${place} cannot be listened on (${fault})`, advice);
}

async function tryToListen({ hostname, port }: Address): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", (fault: NodeJS.ErrnoException) => resolve(fault.code ?? fault.message));
    server.listen({ host: hostname, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Whether a connection to each provider's host can be opened; no key is sent and nothing is asked. */
export async function checkProviders(
  { providers }: Loaded,
  environment: CliIo["environment"],
): Promise<Check[]> {
  const name = "providers";
  const proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].find(
    (variable) => environment[variable],
  );
  if (proxy !== undefined) {
    const advice = `Make sure that the proxy lets requests through, or unset ${proxy}`;
    return [warning(name, `Requests go through the proxy that ${proxy} names, so nothing was tried`, advice)];
  }
  const tries = await Promise.all(
    [...providers.byName.values()].map(async (provider) => ({
      provider: provider.name,
      origin: provider.origin,
      fault: await tryToConnect(new URL(provider.origin)),
    })),
  );
  const isDefault = (tried: (typeof tries)[number]): boolean => tried.provider === providers.defaultName;
  const word = ({ provider, origin, fault }: (typeof tries)[number]): string =>
    `${provider} (${new URL(origin).host}: ${fault})`;
  const reached = tries.filter(({ fault }) => fault === undefined).map(({ provider }) => provider);
  const missed = tries.filter(({ fault }) => fault !== undefined);
  const advice = "Check the name service and the firewall of this machine, and base_url in the provider file";
  return [
    ...(reached.length === 0 ? [] : [good(name, `Reached: ${reached.join(", ")}`)]),
    ...missed
      .filter(isDefault)
      .map((tried) => failed(name, `The default cannot be reached: ${word(tried)}`, advice)),
    ...oneLine(missed.filter((tried) => !isDefault(tried)).map(word)),
  ];

  function oneLine(words: readonly string[]): Check[] {
    const message = `Not reached: ${words.join(", ")}`;
    return words.length === 0
      ? []
      : [warning(name, message, `${advice}; no matter for those that nobody uses`)];
  }
}

async function tryToConnect({ hostname, port, protocol }: URL): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = connect({ host, port: Number(port || (protocol === "https:" ? 443 : 80)) });
    const end = (fault: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(fault);
    };
    const timer = setTimeout(() => end("timeout"), connectTimeoutMs);
    socket.once("connect", () => end(undefined));
    socket.once("error", (fault: NodeJS.ErrnoException) => end(fault.code ?? fault.message));
  });
}
