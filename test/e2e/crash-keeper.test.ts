/** Keepers killed, by the real client: their containers go with them, and are said to. Needs root. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/daemon.ts";
import { cgroupsOf } from "../support/footprint.ts";
import { alive } from "../support/stack.ts";
import { before, stack, useStack } from "./stack-harness.ts";

useStack();

const parentOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
};

/** All that runs in a container, in the host's numbers. */
function inside(id: string): number[] {
  const folders = cgroupsOf([id]);
  const found = folders.flatMap((folder) => readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n"));
  return [...new Set(found.filter(Boolean).map(Number))];
}

const KINDS: [what: string, flags: string[]][] = [
  ["with namespaces of its own", []],
  ["of another user", ["-u", "1234"]],
  ["in the host's pid namespace, of another user", ["--pid", "host", "-u", "1234"]],
  ["with a terminal and an init", ["-t", "--init"]],
];
const SCRIPT = "sleep 1000 & sleep 1000 & echo up; wait";

async function running(flags: string[]): Promise<{ id: string; keeper: number; pids: number[] }> {
  const id = await stack.run(["--name", "c1", ...flags], SCRIPT);
  await until(async () => (await stack.ok("logs", "c1")).trim() === "up", "the container to be up");
  const pids = inside(id);
  expect(pids.length).toBeGreaterThanOrEqual(3);
  return { id, keeper: parentOf(await stack.pid("c1")), pids };
}

async function checkDead(id: string, waiting: Promise<string> | undefined): Promise<void> {
  await until(
    async () => (await stack.inspect("c1", "{{.State.Status}}")) === "exited",
    "the news of it",
    2000,
  );
  expect(await stack.inspect("c1", "{{.State.ExitCode}} {{.State.Error}}")).toBe("137 its keeper was killed");
  if (waiting !== undefined) expect(await waiting).toBe("137");
  expect(await stack.ok("wait", "c1")).toBe("137");
  expect((await stack.ok("logs", "c1")).trim()).toBe("up");
  expect(cgroupsOf([id])).toEqual([]);
  // It is a container like any other: it starts again, with a keeper of its own.
  await stack.ok("start", "c1");
  expect(await stack.inspect("c1", "{{.State.Status}}{{.State.Error}}")).toBe("running");
  await stack.ok("rm", "-f", "c1");
  await stack.back(before);
}

for (const [what, flags] of KINDS) {
  describe(`a container ${what}`, () => {
    test("is killed within a second of its keeper", async () => {
      const { id, keeper, pids } = await running(flags);
      const waiting = stack.ok("wait", "c1");
      process.kill(keeper, "SIGKILL");
      await until(() => !pids.some(alive), "the container's end", 1000);
      await checkDead(id, waiting);
    }, 30_000);

    test("is killed when the next shim starts, if keeper and shim died together", async () => {
      const { id, keeper, pids } = await running(flags);
      const shim = stack.shimPid();
      process.kill(shim, "SIGSTOP");
      process.kill(keeper, "SIGKILL");
      process.kill(shim, "SIGKILL");
      await until(() => !pids.some(alive), "the container's end", 2000);
      await checkDead(id, undefined);
    }, 30_000);

    test("is killed when the next daemon starts, if keeper, shim and daemon died together", async () => {
      const { id, keeper, pids } = await running(flags);
      const shim = stack.shimPid();
      process.kill(shim, "SIGSTOP");
      await stack.killDaemon();
      process.kill(keeper, "SIGKILL");
      process.kill(shim, "SIGKILL");
      await stack.begin();
      await until(() => !pids.some(alive), "the container's end", 1000);
      await checkDead(id, undefined);
    }, 30_000);
  });
}

test("an exec whose keeper is killed ends, and its container lives on", async () => {
  await running([]);
  const exec = stack.docker("exec", "c1", "sh", "-c", "echo $$ > /go/pid; exec sleep 1000");
  const file = join(stack.go, "pid");
  await until(() => attemptRead(file) !== "", "the exec to run");
  const main = await stack.pid("c1");
  const pid = inside([...stack.ids][0]!).find(
    (each) => /\tsleep$/m.test(readFileSync(`/proc/${each}/status`, "utf8")) && parentOf(each) !== main,
  )!;
  process.kill(parentOf(pid), "SIGKILL");
  expect((await exec).status).toBe(137);
  await until(() => !alive(pid), "the exec's end", 1000);
  expect(await stack.inspect("c1", "{{.State.Status}}")).toBe("running");
  expect((await stack.docker("exec", "c1", "true")).status).toBe(0);
  await stack.ok("rm", "-f", "c1");
  await stack.back(before);
}, 30_000);

function attemptRead(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
