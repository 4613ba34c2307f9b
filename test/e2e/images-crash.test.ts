/** kill -9 in the midst of a pull: what is left is swept, and the pull can be done again. Needs root. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { tar } from "../unit/engine/archive/support.ts";
import { FakeRegistry } from "./image/fake-registry.ts";
import { Engine, eventually, Scratch } from "./image/fixtures.ts";

/** Processes whose standard input's or working files lie below `path`. */
function holders(path: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^[0-9]+$/.test(pid) || pid === String(process.pid)) return false;
    try {
      return (
        readFileSync(`/proc/${pid}/maps`, "utf8").includes(path) || fds(pid).some((to) => to.startsWith(path))
      );
    } catch {
      return false;
    }
  });
}

const fds = (pid: string): string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });

test("a killed pull leaves no process, and nothing that start-up does not sweep", async () => {
  using scratch = new Scratch();
  using registry = new FakeRegistry();
  const noise = Buffer.alloc(4 * 1024 * 1024);
  for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
  registry.image("v1", [tar({ name: "small", data: "1" }), tar({ name: "noise", data: noise })]);
  let stalled = 0;
  registry.quirks.blob = (digest) => {
    const bytes = registry.blobs.get(digest)!;
    if (bytes.length < 1_000_000) return undefined;
    stalled++;
    // Half of it, and then silence.
    return new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, bytes.length / 2)) }),
    );
  };
  const dataRoot = join(scratch.path, "data");
  const puller = Bun.spawn(
    [process.execPath, join(import.meta.dir, "image/puller.ts"), dataRoot, `${registry.host}/app`],
    {
      stdout: "ignore",
      stderr: "inherit",
    },
  );
  await eventually(() => stalled > 0, "a stalled download");
  await eventually(() => holders(join(dataRoot, "content/ingest")).length > 0, "an unpack process");
  await Bun.sleep(100);
  puller.kill("SIGKILL");
  await puller.exited;
  await eventually(() => holders(dataRoot).length === 0, "the end of the unpack process");

  registry.quirks = {};
  using engine = new Engine(dataRoot);
  expect(engine.service.list({})).toEqual([]);
  await engine.service.sweep([]);
  await eventually(() => Object.values(engine.left()).every((names) => names.length === 0), "an empty store");
  await engine.pull(`${registry.host}/app:v1`);
  expect(engine.service.list({})).toHaveLength(1);
  expect(engine.left().snapshots).toHaveLength(2);
});
