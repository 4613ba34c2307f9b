/** The daemon killed in the midst of things: nothing half made stays, what was acknowledged does. Needs root. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeBusyboxArchive } from "../support/busybox.ts";
import { until } from "../support/daemon.ts";
import { wrongLine } from "../support/stack.ts";
import { before, stack, useStack } from "./stack-harness.ts";

useStack();

/** Kills the daemon at another moment of the work each time, and starts it again. */
async function killing(times: number, step: number, work: (n: number) => Promise<void>): Promise<void> {
  for (let n = 0; n < times; n++) {
    const working = work(n).catch(() => {});
    await Bun.sleep(n * step);
    await stack.killDaemon();
    await working;
    await stack.begin();
  }
}

const containers = async (): Promise<string[]> =>
  (await stack.ok("ps", "-a", "--no-trunc", "--format", "{{.ID}}")).split("\n").filter(Boolean);

/** Removes all that is there, by which it shows that it can be; then nothing else may be left. */
async function checkAndRemoveAll(): Promise<void> {
  for (const id of await containers()) {
    stack.ids.add(id);
    // What is said to run does, what is said not to does not.
    const [state, pid] = (await stack.inspect(id, "{{.State.Status}} {{.State.Pid}}")).split(" ");
    expect([state, Number(pid) > 0]).toEqual([state, state === "running"]);
    if (state === "running") expect((await stack.docker("exec", id, "true")).status).toBe(0);
  }
  const all = await containers();
  if (all.length > 0) await stack.ok("rm", "-f", "-v", ...all);
  await stack.back(before);
}

test("create, start and run", async () => {
  const acknowledged: string[] = [];
  await killing(10, 12, async (n) => {
    for (let each = 0; ; each++) {
      const name = `each-${n}-${each}`;
      if (each % 2 === 0)
        acknowledged.push(await stack.ok("create", "--name", name, "-v", "/v", "busybox", "true"));
      else acknowledged.push(await stack.ok("run", "-d", "--name", name, "busybox", "sleep", "1000"));
    }
  });
  for (const id of acknowledged) stack.ids.add(id);
  expect(await containers()).toEqual(expect.arrayContaining(acknowledged));
  await checkAndRemoveAll();
}, 60_000);

test("run --rm, rm and restart", async () => {
  const removed: string[] = [];
  await killing(8, 25, async (n) => {
    for (let each = 0; ; each++) {
      const name = `each-${n}-${each}`;
      await stack.ok("run", "-d", "--name", name, "-v", "/v", "busybox", "sleep", "1000");
      await stack.ok("run", "--rm", "busybox", "true");
      await stack.ok("restart", "-t", "0", name);
      await stack.ok("rm", "-f", "-v", name);
      removed.push(name);
    }
  });
  const names = (await stack.ok("ps", "-a", "--format", "{{.Names}}")).split("\n");
  expect(names.filter((name) => removed.includes(name))).toEqual([]);
  await checkAndRemoveAll();
}, 60_000);

test("a start that was acknowledged, of a container that is to be removed", async () => {
  for (let n = 0; n < 4; n++) {
    const id = await stack.ok(
      "run",
      "-d",
      "--rm",
      "busybox",
      "sh",
      "-c",
      "trap 'exit 3' TERM; sleep 1000 & wait",
    );
    stack.ids.add(id);
    const said = "{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}}";
    // Its row is written later, or not yet.
    const before = n < 2 ? await stack.inspect(id, said) : undefined;
    const shim = stack.shimPid();
    await stack.killDaemon();
    if (n % 2 === 1) process.kill(shim, "SIGKILL");
    await stack.begin();
    const [status, pid] = (await stack.inspect(id, said)).split(" ");
    expect(status).toBe("running");
    if (before !== undefined) expect(await stack.inspect(id, said)).toBe(before);
    expect((await stack.docker("exec", id, "echo", "hi")).stdout).toBe("hi\n");
    const waited = await stack.daemon.request(`/containers/${id}/wait?condition=removed`, { method: "POST" });
    process.kill(Number(pid), "SIGTERM");
    expect(await waited.json()).toEqual({ StatusCode: 3 });
    expect(await containers()).not.toContain(id);
  }
  await stack.back(before);
}, 60_000);

test("exec, cp and logs of a container that prints on", async () => {
  const script = `i=0; while [ ! -e /go/stop ]; do i=$((i+1)); echo $i; [ $((i % 100)) -eq 0 ] && usleep 5000; done
    echo end $i; sleep 1000`;
  await stack.run(["--name", "box"], script);
  const folder = join(stack.folder, "many");
  mkdirSync(folder);
  for (let n = 0; n < 300; n++) writeFileSync(join(folder, `file-${n}`), "x".repeat(20_000));
  await killing(8, 30, async () => {
    for (;;) {
      await Promise.all([
        stack.ok("cp", folder, "box:/"),
        stack.ok("cp", "box:/bin", join(stack.folder, "out")),
        stack.ok("exec", "box", "sh", "-c", "sleep 0.02; echo hi"),
        stack.ok("logs", "box"),
      ]);
    }
  });
  expect(await stack.ok("exec", "box", "echo", "after")).toBe("after");
  await stack.ok("cp", folder, "box:/");
  expect(await stack.ok("exec", "box", "sh", "-c", "ls /many | wc -l")).toBe("300");
  stack.signal("stop");
  await until(async () => (await stack.ok("logs", "--tail", "1", "box")).startsWith("end"), "the last line");
  expect(wrongLine((await stack.docker("logs", "box")).stdout)).toBeUndefined();
  // Commands whose daemon died were left to run, and have ended; nothing but the container's own is left.
  await until(async () => (await stack.ok("top", "box")).split("\n").length === 2, "only its own process");
  await checkAndRemoveAll();
}, 60_000);

test("load and rmi", async () => {
  const archive = join(stack.folder, "other.tar");
  writeBusyboxArchive(archive, ["other:one", "other:two"]);
  await killing(8, 20, async () => {
    for (;;) {
      await stack.ok("load", "-i", archive);
      await stack.ok("rmi", "busybox");
      await stack.ok("rmi", "other:one", "other:two");
    }
  });
  const images = (await stack.ok("images", "-q")).split("\n").filter(Boolean);
  if (images.length > 0) await stack.ok("rmi", "-f", ...new Set(images));
  expect(await stack.ok("images", "-q")).toBe("");
  // All is swept: neither blobs nor snapshots are left.
  const left = (path: string): string[] => {
    const folder = join(stack.folder, "data", path);
    return existsSync(folder) ? readdirSync(folder) : [];
  };
  const places = ["content/blobs/sha256", "content/ingest", "snapshots"];
  await until(() => places.flatMap(left).length === 0, "an empty store");
  await stack.ok("load", "-i", archive);
  expect(await stack.ok("run", "--rm", "other:two", "echo", "fine")).toBe("fine");
}, 60_000);
