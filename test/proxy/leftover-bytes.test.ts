import { describe, expect, test } from "bun:test";
import { setTimeout as delay } from "node:timers/promises";
import { exchange } from "../harness/raw-client.ts";
import { requestBytes } from "./lab.ts";
import { openAtSockets, textAnswer } from "./socket-provider.ts";

describe("bytes that no request asked for (NET-107)", () => {
  const secret = textAnswer("SECRET-A");
  const extras = {
    "a whole answer": secret,
    "a line end": "\r\n",
    "half a status line": "HTTP/1.1 2",
    "another end of chunks": "0\r\n\r\n",
    "a 408": "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n",
  };
  const answers = {
    "Content-Length": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    chunked: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "204": "HTTP/1.1 204 No Content\r\n\r\n",
    "304": 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n',
  };

  test.each(Object.entries(answers))(
    "after an answer with %s they are nobody's",
    async (_, answer) => {
      let extra = "";
      let isLate = false;
      await using provider = await openAtSockets(({ socket, id, count }) => {
        if (extra === "" || count > 1) {
          socket.write(textAnswer(id));
          return;
        }
        const now = extra;
        extra = "";
        if (isLate) socket.write(answer, () => setTimeout(() => socket.write(now), 50));
        else socket.write(answer + now);
      });
      const { app } = provider.lab;
      const other = await app.newToken((await app.newProject({ provider: "sockets" })).id);
      const callOther = async () => {
        const { id, answer: own } = await provider.call();
        expect([own.status, own.body.text()]).toEqual([200, id]);
        const sent = requestBytes("/v1/x", {
          token: other.token,
          headers: [["X-Id", "other"]],
          method: "GET",
        });
        const others = await exchange(app.port, sent);
        expect([others.status, others.body.text()]).toEqual([200, "other"]);
      };
      for (const each of Object.values(extras)) {
        for (const late of [false, true]) {
          for (const waitMs of [0, 100]) {
            for (const socket of provider.sockets.splice(0)) socket.destroy(); // a new connection for each round
            await delay(5);
            extra = each;
            isLate = late;
            await provider.call();
            await delay(waitMs);
            await callOther();
          }
        }
      }
    },
    20_000,
  );

  test("but one that writes an answer in advance of the next request is believed, as HTTP/1.1 has no numbers", async () => {
    for (const answer of Object.values(answers)) {
      // It reads nothing more until it has written that.
      await using provider = await openAtSockets(({ socket, id, count }) => {
        if (count > 1) socket.write(textAnswer(id));
        else {
          socket.write(answer);
          socket.pause();
          setTimeout(() => socket.write(secret), 50);
        }
      });
      await provider.call();
      expect((await provider.call()).answer.body.text()).toBe("SECRET-A");
    }
  });
});
