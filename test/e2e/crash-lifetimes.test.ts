/** Who ends when, who may not begin, and what a boot of the machine leaves. Needs root. */

import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Daemon, until } from "../support/daemon.ts";
import { processesOf } from "../support/footprint.ts";
import { alive } from "../support/stack.ts";
import { before, stack, useStack } from "./stack-harness.ts";

useStack();

const SITS = 'trap "echo asked; exit 3" TERM; echo up; while :; do usleep 50000; done';

test("SIGTERM leaves containers running, and the shim stays with them until they have ended", async () => {
  await stack.run(["--name", "c1"], `${SITS} & wait; exit 6`);
  const pid = await stack.pid("c1");
  const shim = stack.shimPid();
  expect(await stack.daemon.stop()).toBe(0);
  expect([alive(pid), alive(shim)]).toEqual([true, true]);
  process.kill(pid, "SIGKILL");
  // With neither containers nor a daemon it ends by itself.
  await until(() => !alive(shim), "the shim's end", 8000);
  expect(processesOf(stack.folder, stack.ids)).toEqual([]);
  await stack.begin();
  expect(await stack.ok("wait", "c1")).toBe("137");
  await stack.ok("rm", "c1");
  await stack.back(before);
}, 30_000);

/** How many are, to a unix socket. */
const connected = (socket: string): number =>
  readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.includes(" 03 ") && line.endsWith(` ${socket}`)).length;

test("--live-restore=false stops containers first, and removes those that are to be", async () => {
  expect(await stack.daemon.stop()).toBe(0);
  await stack.begin({ args: ["--live-restore=false"] });
  const id = await stack.run(["--name", "c1"], SITS);
  await stack.run(["--name", "gone", "--rm", "--stop-timeout", "1"], "while :; do usleep 50000; done");
  await until(async () => (await stack.ok("logs", "c1")) === "up", "the container to be up");
  const pids = [await stack.pid("c1"), await stack.pid("gone")];
  const under = [
    ["attach", "c1"],
    ["logs", "-f", "c1"],
    ["wait", "c1"],
  ].map((words) => stack.docker(...words));
  const attaches = ["events", "--since", "1h", "--until", "0s", "--filter", "event=attach", "--format", "."];
  await until(async () => (await stack.ok(...attaches)) === ".", "the client to be attached", 5000);
  await until(() => connected(stack.daemon.socket) >= under.length + 1, "the clients to be connected");
  expect(await stack.daemon.stop()).toBe(0);
  expect(pids.some(alive)).toBe(false);
  const [attached, followed, waited] = await Promise.all(under);
  expect(attached).toMatchObject({ stdout: "asked\n", stderr: "", status: 3 });
  expect(followed).toMatchObject({ stdout: "up\nasked\n", stderr: "", status: 0 });
  expect(waited).toMatchObject({ stdout: "3\n", stderr: "", status: 0 });
  expect(stack.daemon.log).not.toContain("level=warning");
  expect(stack.daemon.log).not.toContain("level=error");
  expect(existsSync(join(stack.folder, "data/containers", id))).toBe(true);
  await until(() => stack.shimPid() === 0, "the shim's end", 8000);
  await stack.begin();
  expect(await stack.ok("ps", "-a", "--format", "{{.Names}} {{.State}}")).toBe("c1 exited");
  expect(await stack.inspect("c1", "{{.State.ExitCode}}")).toBe("3");
  expect(await stack.ok("logs", "c1")).toBe("up\nasked");
  await stack.ok("rm", "c1");
  await stack.back(before);
}, 30_000);

test("after a boot, what ran has ended with 255, --rm has removed its own, and all starts again", async () => {
  await stack.run(["--name", "ran"], SITS);
  await stack.run(["--name", "paused"], SITS);
  await stack.ok("pause", "paused");
  await stack.run(["--name", "gone", "--rm"], SITS);
  const ended = await stack.run(["--name", "ended"], "exit 5");
  await stack.ok("wait", "ended");
  await stack.ok("create", "--name", "made", "busybox", "true");
  stack.ids.add(await stack.inspect("made", "{{.Id}}"));
  await stack.powerOff();
  const db = new Database(join(stack.folder, "data/tsd.db"));
  db.run("UPDATE containers SET state = json_set(state, '$.bootId', 'another') WHERE id <> ?", [ended]);
  db.close();
  rmSync(join(stack.folder, "exec"), { recursive: true });
  await stack.begin();
  const ps = await stack.ok("ps", "-a", "--format", "{{.Names}} {{.State}}");
  expect(ps.split("\n").sort()).toEqual(["ended exited", "made created", "paused exited", "ran exited"]);
  expect(await stack.inspect("ran", "{{.State.ExitCode}}{{.State.Error}}{{.State.Pid}}")).toBe("2550");
  expect(await stack.ok("wait", "ran")).toBe("255");
  expect(await stack.inspect("ended", "{{.State.ExitCode}}")).toBe("5");
  for (const name of ["ran", "paused", "made"]) await stack.ok("start", name);
  expect((await stack.docker("exec", "ran", "true")).status).toBe(0);
  await until(async () => (await stack.ok("logs", "ran")) === "up\nup", "the second start's output");
  await stack.ok("rm", "-f", "ran", "paused", "made", "ended");
  await stack.back(before);
}, 30_000);

test("a second daemon is refused one root, whichever; with roots of its own it runs beside", async () => {
  await stack.run(["--name", "c1"], SITS);
  const second = async (dataRoot: string, execRoot: string): Promise<string> => {
    const daemon = Bun.spawn(
      [stack.program, "daemon", "--data-root", dataRoot, "--exec-root", execRoot].concat([
        ...["--pidfile", join(stack.folder, "second.pid"), "-H", `unix://${stack.folder}/second.sock`],
      ]),
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    const said = await new Response(daemon.stderr).text();
    expect(await daemon.exited).toBe(1);
    return said;
  };
  const at = (name: string) => join(stack.folder, name);
  expect(await second(at("data"), at("other"))).toContain(`another daemon (pid ${stack.daemon.pid})`);
  expect(await second(at("other"), at("exec"))).toContain(`another daemon (pid ${stack.daemon.pid})`);
  expect(existsSync(at("other"))).toBe(false);

  await using beside = new Daemon();
  const program = join(beside.folder, "tsd");
  copyFileSync(stack.program, program);
  await beside.start({ program: [program] });
  await beside.docker("load", "-i", at("busybox.tar"));
  const { stdout, status } = await beside.docker("run", "--rm", "--name", "c1", "busybox", "echo", "beside");
  expect([stdout, status]).toEqual(["beside\n", 0]);
  await stack.killShim();
  expect((await beside.docker("run", "--rm", "busybox", "true")).status).toBe(0);
  expect(await stack.inspect("c1", "{{.State.Status}}")).toBe("running");
  await stack.ok("rm", "-f", "c1");
  await stack.back(before);
}, 60_000);
