/** Requests that are sent at once, each on a connection of its own: a start waits for the attach that it was said to follow. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { TestEngine } from "./container/engine.ts";

setDefaultTimeout(60_000);
let engine: TestEngine;

beforeAll(async () => {
  engine = await TestEngine.open();
}, 60_000);

afterAll(async () => {
  await engine.close();
}, 60_000);

/** A request on a connection of its own; all that comes back, until `until` is in it or the other side ends. */
class Exchange {
  readonly socket: Socket;
  text = "";

  constructor(path: string, order: string, more = "") {
    this.socket = connect({ path: engine.socket, allowHalfOpen: true });
    this.socket.on("data", (bytes) => {
      this.text += bytes.toString("latin1");
    });
    this.socket.write(
      `POST /v1.50${path} HTTP/1.1\r\nHost: x\r\nTsd-Order: ${order}\r\n${more}Content-Length: 0\r\n\r\n`,
    );
  }

  async has(what: string): Promise<void> {
    while (!this.text.includes(what)) {
      if (this.socket.readableEnded) throw new Error(`no ${what} in ${this.text}`);
      await Bun.sleep(5);
    }
  }

  async ended(): Promise<string> {
    while (!this.socket.readableEnded) await Bun.sleep(5);
    return this.text;
  }
}

const UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
const attach = (name: string, order: string) =>
  new Exchange(`/containers/${name}/attach?stream=1&stdout=1&stderr=1`, order, UPGRADE);
const wait = (name: string, order: string) =>
  new Exchange(`/containers/${name}/wait?condition=removed`, order);
const start = (name: string, order: string) => new Exchange(`/containers/${name}/start`, order);

async function create(...words: string[]): Promise<string> {
  const { out } = await engine.run("create", "--network", "none", ...words);
  return out.trim();
}

const status = async (name: string) =>
  (await engine.run("inspect", "-f", "{{.State.Status}}", name)).out.trim();

test("a start that came before its attach and wait begins after them", async () => {
  const id = await create("--rm", "busybox", "echo", "all of it");
  const starting = start(id, `${id}; after=2`);
  // Long enough for a start that does not wait.
  await Bun.sleep(300);
  expect(await status(id)).toBe("created");
  const waiting = wait(id, id);
  await waiting.has("200 OK");
  expect(await status(id)).toBe("created");
  const attached = attach(id, id);
  await starting.has("204 No Content");
  expect(await attached.ended()).toContain("all of it\n");
  await waiting.has('{"StatusCode":0}');
  for (const { socket } of [starting, waiting, attached]) socket.destroy();
});

test("a start is refused when its attach was, and when its client has gone", async () => {
  const id = await create("busybox", "true");
  const starting = start(id, "some; after=1");
  const attached = attach("nosuch", "some");
  expect(await attached.ended()).toStartWith("HTTP/1.1 404 ");
  await starting.has("409 Conflict");
  const left = start(id, "other; after=1");
  await Bun.sleep(100);
  left.socket.destroy();
  await Bun.sleep(100);
  const late = attach(id, "other");
  await late.has("101 UPGRADED");
  await Bun.sleep(300);
  expect(await status(id)).toBe("created");
  for (const { socket } of [starting, attached, late]) socket.destroy();
  await engine.run("rm", id);
});

test("what ends at once is seen whole, however often", async () => {
  const word = "o".repeat(70_000);
  for (let round = 0; round < 15; round++) {
    const id = await create("--rm", "busybox", "echo", word);
    // In the order that suits them least.
    const starting = start(id, `${id}; after=2`);
    const attached = attach(id, id);
    const waiting = wait(id, id);
    const output = await attached.ended();
    await waiting.has('{"StatusCode":0}');
    // Without the frames' headers, of which there may be several.
    expect(output.split("o").length - 1).toBeGreaterThanOrEqual(word.length);
    expect(output).toEndWith("o\n");
    for (const { socket } of [starting, waiting, attached]) socket.destroy();
  }
});
