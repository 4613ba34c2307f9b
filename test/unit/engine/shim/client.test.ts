/** The daemon's side, with a shim that answers and dies as it is told to. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildId } from "../../../../src/engine/shim/build.ts";
import { connectShim } from "../../../../src/engine/shim/client.ts";
import type { AttachHello, Hello } from "../../../../src/engine/shim/protocol.ts";

let folder: string;
let server: Server;
let control: Socket;
/** What the shim was asked, in order: streams that are told to go on, and attach connections. */
let asked: string[];
let onAttach: (socket: Socket, hello: AttachHello["attach"]) => void;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsd-shim-"));
  asked = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      const { hello, attach } = JSON.parse(bytes.toString().split("\n")[0]!) as Partial<Hello & AttachHello>;
      if (attach !== undefined) {
        asked.push(`attach ${attach.received ?? "anew"}`);
        onAttach(socket, attach);
        return;
      }
      control = socket;
      asked.push(`hello ${hello!.streams!.length}`);
      say(socket, { hello: { protocol: 1, build: buildId(), pid: 1 } });
    });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, "shim.sock"), resolve));
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const say = (socket: Socket, message: unknown, then = ""): void =>
  void socket.write(`${JSON.stringify(message)}\n${then}`);
const connect = () => connectShim({ execRoot: folder, onWarn: () => {}, program: ["false"] });
const PIPES = { stdin: false, stdout: true, stderr: true };

/** What is heard of its death before its answer is read. */
async function dieAnswering(socket: Socket, answer: unknown, then: string): Promise<void> {
  const [own, ended] = [control, Promise.withResolvers<void>()];
  own.once("close", () => ended.resolve());
  own.destroy();
  await ended.promise;
  await Bun.sleep(50);
  say(socket, answer, then);
  socket.end();
}

test("a stream whose shim died while it answered goes on at the next one, as often as it must", async () => {
  onAttach = (socket, { received, key }) => {
    if (received === undefined) void dieAnswering(socket, { ok: true, rejoins: true }, "one ");
    else if (received === 4) void dieAnswering(socket, { ok: true, rejoins: true, input: 0 }, "two ");
    else {
      say(socket, { ok: true, rejoins: true, input: 0 }, "three");
      say(control, { event: "finished", key });
      socket.end();
    }
  };
  const shim = await connect();
  const stream = await shim.attach("1".repeat(64), PIPES, "pipes");
  let heard = "";
  for await (const bytes of stream) heard += bytes;
  expect(heard).toBe("one two three");
  expect(asked.filter((each) => each.startsWith("attach"))).toEqual(["attach anew", "attach 4", "attach 8"]);
  shim.close();
}, 5000);

test("a shim that dies and has not answered is no end: the next one is asked", async () => {
  onAttach = (socket) => {
    if (asked.filter((each) => each === "attach anew").length < 3) socket.end();
    else say(socket, { ok: true, rejoins: true });
  };
  const shim = await connect();
  const stream = await shim.attach("1".repeat(64), PIPES, "pipes");
  expect(asked).toEqual(["hello 0", "attach anew", "attach anew", "attach anew"]);
  stream.destroy();
  shim.close();
}, 5000);

test("a shim is told which streams go on, and not of one that has ended or was left", async () => {
  const attached: Socket[] = [];
  const keys: string[] = [];
  onAttach = (socket, { key, received }) => {
    keys.push(key!);
    attached.push(socket);
    say(socket, { ok: true, rejoins: true, ...(received === undefined ? {} : { input: 0 }) });
  };
  const shim = await connect();
  const [ended, left, goesOn] = [
    await shim.attach("1".repeat(64), PIPES, "pipes"),
    await shim.attach("2".repeat(64), PIPES, "pipes"),
    await shim.attach("3".repeat(64), PIPES, "pipes"),
  ];
  ended.resume();
  goesOn.resume();
  const end = new Promise((resolve) => ended.once("end", resolve));
  say(control, { event: "finished", key: keys[0] });
  attached[0]!.end();
  await end;
  left.destroy();
  for (const socket of attached) socket.destroy();
  control.destroy();
  while (!asked.includes("attach 0")) await Bun.sleep(1);
  expect(asked.filter((each) => each.startsWith("hello"))).toEqual(["hello 0", "hello 1"]);
  shim.close();
}, 5000);
