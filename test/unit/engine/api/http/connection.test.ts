import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { streaming } from "../../../../../src/engine/api/call.ts";
import { ApiServer } from "../../../../../src/engine/api/server.ts";

const folder = mkdtempSync(join(tmpdir(), "http-"));
const path = join(folder, "api.sock");
/** Told when the client of `/vX/silent` went away. */
let left = Promise.withResolvers<void>();
/** When `/vX/held` may begin to read. */
let held = Promise.withResolvers<void>();

async function handle(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname.endsWith("/unread")) return new Response("no, thanks", { status: 409 });
  if (pathname.endsWith("/stream")) {
    const content = (async function* () {
      for (const word of ["a", "bc"]) yield new TextEncoder().encode(word);
    })();
    return streaming(content, { "content-type": "text/plain" });
  }
  if (pathname.endsWith("/silent")) {
    request.signal.addEventListener("abort", () => left.resolve());
    await left.promise;
    return new Response("nobody hears this");
  }
  if (pathname.endsWith("/held")) {
    await held.promise;
    let size = 0;
    for await (const chunk of request.body!) size += chunk.length;
    return new Response(String(size));
  }
  if (pathname.endsWith("/torn")) {
    const content = (async function* () {
      yield Buffer.from("one");
      throw new Error("there is no more");
    })();
    return new Response(content as never);
  }
  if (pathname.endsWith("/told")) {
    const text = request.text().catch((error: Error) => error.message);
    return new Response(await text, { status: 400 });
  }
  return new Response(`${request.method} ${pathname} ${await request.text()}`);
}

const failures: string[] = [];

const server = new ApiServer({
  handle,
  failed: (error, request) =>
    failures.push(`${request?.method} ${request?.url}: ${(error as Error).message}`),
  upgrade: (request, socket) => {
    if (!request.url.endsWith("/attach")) return false;
    socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    socket.on("data", (chunk: Buffer) => socket.write(`<${chunk}>`));
    socket.on("end", () => socket.end("over"));
    return true;
  },
});
beforeAll(() => server.listen({ unix: path }));
afterAll(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true });
});

async function open(at = path): Promise<Socket> {
  const socket = connect({ path: at, allowHalfOpen: true });
  await once(socket, "connect");
  return socket;
}

/** Sends all of it, and gives what comes until the other side ends; bodies only, and status lines. */
const exchange = (...texts: string[]): Promise<string> => exchangeAt(path, ...texts);

async function exchangeAt(at: string, ...texts: string[]): Promise<string> {
  const socket = await open(at);
  for (const text of texts) socket.write(text);
  let all = "";
  for await (const chunk of socket) all += chunk;
  return all
    .replace(/^(?!HTTP)[A-Za-z-]+: .*\r\n/gm, "")
    .replaceAll("\r\n", "|")
    .trim();
}

const LAST = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const LAST_ANSWER = "HTTP/1.1 200 OK||GET /v1.55/last ";

test("requests that come together are answered one after the other", async () => {
  const post = "POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
  const put = "PUT /two HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nyo\r\n0\r\n\r\n";
  const answers =
    `HTTP/1.1 200 OK||POST /v1.55/one hiHTTP/1.1 200 OK||PUT /v1.55/two yo${LAST_ANSWER}`.trim();
  expect(await exchange(post + put + LAST)).toBe(answers);
  expect(await exchange(...post, ...put, ...LAST)).toBe(answers);
});

test("a body that nobody reads is taken away before the next request", async () => {
  const body = "x".repeat(300_000);
  const post = `POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  expect(await exchange(post, LAST)).toBe(`HTTP/1.1 409 Conflict||no, thanks${LAST_ANSWER}`.trim());
});

test("a stream goes out in chunks, to a client of HTTP/1.0 until the end", async () => {
  expect(await exchange("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", LAST)).toBe(
    `HTTP/1.1 200 OK||1|a|2|bc|0||${LAST_ANSWER}`.trim(),
  );
  expect(await exchange("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", LAST)).toBe(
    "HTTP/1.0 200 OK||abc",
  );
});

/** All that comes, as it comes. */
async function bytesOf(...texts: string[]): Promise<string> {
  const socket = await open();
  for (const text of texts) socket.write(text);
  let all = "";
  for await (const chunk of socket) all += chunk;
  return all.replace(/^(?!HTTP|Connection|Content-Length)[A-Za-z-]+: .*\r\n/gim, "");
}

test("a client of HTTP/1.0 that asks for it keeps its connection, and is told so", async () => {
  const kept = (method: string) => `${method} /kept HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`;
  const answered = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length:";
  const ended = "HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\nGET /v1.55/last ";
  expect(await bytesOf(kept("GET"), kept("HEAD"), "GET /last HTTP/1.0\r\n\r\n")).toBe(
    `${answered} 16\r\n\r\nGET /v1.55/kept ${answered} 17\r\n\r\n${ended}`,
  );
  expect(await bytesOf("GET /last HTTP/1.0\r\n\r\n", kept("GET"))).toBe(ended);
});

test("lines may end with a line feed alone in a head, and not in a body's chunks", async () => {
  const post = "POST /one HTTP/1.1\nHost: x\nContent-Length: 2\n\n\n\n";
  expect(await exchange(post, "GET /last HTTP/1.1\nHost: x\nConnection: close\n\n")).toBe(
    `HTTP/1.1 200 OK||POST /v1.55/one \n\n${LAST_ANSWER}`.trim(),
  );
  const chunks = "POST /told HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n";
  expect(await exchange(chunks, LAST)).toStartWith("HTTP/1.1 400 Bad Request|");
});

test("HEAD gets no body", async () => {
  const answer = await exchange(LAST.replace("GET", "HEAD"));
  expect(answer).toBe("HTTP/1.1 200 OK||");
});

test("a client that waits to be asked for its body is asked when somebody reads it", async () => {
  const socket = await open();
  const expecting = (target: string) =>
    `POST ${target} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`;
  socket.write(expecting("/asked"));
  expect(String((await once(socket, "data"))[0])).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  socket.write("ok");
  expect(String((await once(socket, "data"))[0])).toEndWith("POST /v1.55/asked ok");
  socket.destroy();
  // Not asked, it may send it or not: the connection cannot go on.
  expect(await exchange(expecting("/unread"))).toBe("HTTP/1.1 409 Conflict||no, thanks");
});

test("what is no request is refused, and the connection ends", async () => {
  expect(await exchange("hello\r\n\r\n")).toBe("HTTP/1.1 400 Bad Request||400 Bad Request");
});

test("after a refusal the connection takes no other request, not even one that came with the first", async () => {
  expect(
    await exchange(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      LAST,
    ),
  ).toBe("HTTP/1.1 400 Bad Request||400 Bad Request");
});

test.each([
  ["2\r\nyo", "malformed chunked encoding"],
  ["zz\r\n", "invalid byte in chunk length"],
  ["11112222333344445\r\n", "http chunk length too large"],
  ["\r\n", "empty hex number for chunk length"],
  ["0\r\ntrailer\r\n", "malformed trailer"],
])(
  "bad chunks (%j) are told to who reads them, whose answer is the last, and are no request",
  async (chunks, reason) => {
    const post = (name: string) =>
      `POST ${name} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`;
    expect(await exchange(post("/told"))).toBe(`HTTP/1.1 400 Bad Request||${reason}`);
    expect(await exchange(post("/unread"))).toBe("HTTP/1.1 409 Conflict||no, thanks");
  },
);

test("who takes too long over a head is told so, or over the first byte of the first one", async () => {
  const impatient = join(folder, "impatient.sock");
  const server = new ApiServer({ handle, upgrade: () => false }, undefined, 50);
  server.listen({ unix: impatient });
  const late = "HTTP/1.1 408 Request Timeout||408 Request Timeout";
  try {
    expect(await exchangeAt(impatient, "")).toBe(late);
    expect(await exchangeAt(impatient, "GET / HTT")).toBe(late);
    // Between two requests a client may think for as long as it likes.
    const socket = await open(impatient);
    for (let round = 0; round < 3; round++) {
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      expect(String((await once(socket, "data"))[0])).toContain("200 OK");
      await Bun.sleep(100);
    }
    socket.destroy();
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("a body that nobody reads yet waits with its sender, however long it is", async () => {
  held = Promise.withResolvers();
  const size = 32 << 20;
  let answer = "";
  const end = Promise.withResolvers<void>();
  let room = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data: (_, bytes) => {
        answer += bytes;
      },
      drain: () => room.resolve(),
      close: () => end.resolve(),
    },
  });
  socket.write(`POST /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`);
  const piece = Buffer.alloc(1 << 20, "x");
  let sent = 0;
  const send = () => {
    const taken = socket.write(piece.subarray(0, size - sent));
    sent += taken;
    return taken > 0;
  };
  // Held up: nothing is taken for a while.
  for (let idle = 0; idle < 20 && sent < size; ) {
    idle = send() ? 0 : idle + 1;
    if (idle > 0) await Bun.sleep(10);
  }
  expect(sent).toBeLessThan(size / 8);
  held.resolve();
  while (sent < size) {
    room = Promise.withResolvers();
    if (!send()) await room.promise;
  }
  await end.promise;
  expect(answer).toEndWith(`\r\n\r\n${size}`);
});

test("a handler hears that its client went away", async () => {
  left = Promise.withResolvers();
  const socket = await open();
  socket.write("GET /silent HTTP/1.1\r\nHost: x\r\n\r\n");
  socket.destroy();
  await left.promise;
});

test("an upgraded connection carries bytes both ways, those that came with the request too, and half-closes", async () => {
  const request =
    "POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}";
  const socket = await open();
  socket.write(`${request}early`);
  let all = "";
  socket.on("data", (chunk) => {
    all += chunk;
    if (all.endsWith("<early>")) socket.write("late");
    if (all.endsWith("<late>")) socket.end();
  });
  await once(socket, "end");
  expect(all).toEndWith("\r\n\r\n<early><late>over");
});

test("an upgrade that is not made is an ordinary request", async () => {
  const request =
    "POST /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi";
  expect(await exchange(request, LAST)).toBe(`HTTP/1.1 200 OK||POST /v1.55/other hi${LAST_ANSWER}`.trim());
});

test("an answer that fails in its midst is cut, and the failure told to who logs", async () => {
  const text = await exchange("GET /v1.50/torn HTTP/1.1\r\nHost: x\r\n\r\n").catch(
    (error: Error) => error.message,
  );
  expect(text).not.toContain("0\r\n\r\n");
  expect(failures).toEqual(["GET http://localhost/v1.50/torn: there is no more"]);
});
