import { expect, test } from "bun:test";
import { once } from "node:events";
import http from "node:http";
import { connect } from "node:net";
import { ApiServer } from "../../../../src/engine/api/server.ts";

/** Answers 400 as soon as a body has more than a megabyte, without reading the rest of it. */
async function impatient(request: Request): Promise<Response> {
  let size = 0;
  for await (const chunk of request.body!) {
    size += chunk.length;
    if (size > 1024 * 1024) return new Response("too large", { status: 400 });
  }
  return new Response("all of it");
}

test("a body that is refused half-way is taken to its end and dropped, and the next request is served", async () => {
  const server = new ApiServer({ handle: impatient, upgrade: () => false });
  server.listen({ hostname: "127.0.0.1", port: 0 });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const post = async (body: Uint8Array): Promise<string> => {
    const { port } = server;
    const request = http.request({ port, host: "127.0.0.1", method: "POST", agent });
    request.end(body);
    const [answer] = (await once(request, "response")) as [http.IncomingMessage];
    let text = "";
    for await (const chunk of answer) text += chunk;
    return `${answer.statusCode} ${text}`;
  };
  try {
    expect(await post(new Uint8Array(16 * 1024 * 1024))).toBe("400 too large");
    expect(await post(new Uint8Array(10))).toBe("200 all of it");
  } finally {
    agent.destroy();
    server.close();
  }
});

test("a request's target may be a whole URL", async () => {
  const echo = async (request: Request) => new Response(new URL(request.url).pathname);
  const server = new ApiServer({ handle: echo, upgrade: () => false });
  server.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const socket = connect(server.port, "127.0.0.1");
    socket.write("GET http://elsewhere:80/v1.50/_ping?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toEndWith("\r\n\r\n/v1.50/_ping");
  } finally {
    server.close();
  }
});
