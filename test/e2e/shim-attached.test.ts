/** Attached clients of a shim that is killed at a chosen moment. Needs root. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ShimClient } from "../../src/engine/shim/types.ts";
import { alive, ShimHarness, until } from "./shim-harness.ts";

let harness: ShimHarness;
let shim: ShimClient;
beforeEach(async () => {
  harness = new ShimHarness();
  shim = await harness.connect();
});
afterEach(() => harness.dispose());

const OUTPUT = { stdin: false, stdout: true, stderr: true };

/** Stops the shim as soon as it has noted that it launches this; false when it was done with it by then. */
function stopInLaunch(pid: number, id: string): boolean {
  const record = harness.file(id, "json");
  for (const end = performance.now() + 5000; !existsSync(record); )
    if (performance.now() > end) throw new Error("nothing is launched");
  process.kill(pid, "SIGSTOP");
  return JSON.parse(readFileSync(record, "utf8")).pid === 0;
}

test("a client that came before a launch that was killed half-way has the next one's output, and its end", async () => {
  for (let tries = 1; ; tries++) {
    const id = harness.id();
    const stream = await shim.attach(id, OUTPUT, "pipes");
    const heard = (async () => {
      let text = "";
      for await (const bytes of stream) text += (bytes as Buffer).toString("utf8", 8);
      return text;
    })();
    const pid = harness.shimPid();
    const launched = harness.launch(shim, ["echo", "hello"], { id });
    // The request is written when the loop turns.
    await Bun.sleep(0);
    const half = stopInLaunch(pid, id);
    const begun = harness.children(pid);
    process.kill(pid, "SIGKILL");
    // Whatever became of the stage.
    if (half) for (const child of begun) if (alive(child)) process.kill(child, "SIGKILL");
    await launched;
    expect(await heard).toBe("hello\n");
    expect((await harness.exit(id)).status).toBe(0);
    if (half) return;
    if (tries === 20) throw new Error("no launch could be stopped half-way");
  }
}, 30_000);

test("a client that left while its shim was being killed holds up nobody", async () => {
  const script = "while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 7";
  const id = await harness.launch(shim, ["sh", "-c", script]);
  const stream = await shim.attach(id, OUTPUT, "pipes");
  const pid = harness.shimPid();
  process.kill(pid, "SIGSTOP");
  stream.destroy();
  process.kill(pid, "SIGKILL");
  await Bun.write(join(harness.rootfs, "tmp/go"), "");
  await until(() => ![0, pid].includes(harness.shimPid()), "another shim", 1000);
  await until(() => harness.exits.has(id), "the end", 2000);
  expect(harness.exits.get(id)!.status).toBe(7);
}, 20_000);

test("a client that is far behind has all of it, though the shim is killed meanwhile", async () => {
  const size = 6 * 1024 * 1024;
  const id = harness.id();
  const stream = await shim.attach(id, OUTPUT, "pipes");
  await harness.launch(shim, ["head", "-c", String(size), "/dev/zero"], { id, log: false });
  // It is over, and none of it was read here.
  await until(() => harness.exits.has(id), "the end");
  const pid = harness.shimPid();
  process.kill(pid, "SIGKILL");
  await until(() => ![0, pid].includes(harness.shimPid()), "another shim", 1000);
  let cut = false;
  stream.once("cut", () => {
    cut = true;
  });
  let bytes = 0;
  for await (const chunk of stream) bytes += (chunk as Buffer).length;
  expect([cut, bytes >= size]).toEqual([false, true]);
}, 20_000);
