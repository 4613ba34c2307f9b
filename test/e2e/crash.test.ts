/** Daemon and shim killed, or replaced, while containers print, read, sit and end; seen by the real client. Needs root. */
import { beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/daemon.ts";
import { alive, wrongLine } from "../support/stack.ts";
import { before, stack, useStack } from "./stack-harness.ts";

const PRINTS = `i=0; while [ ! -e /go/stop ]; do i=$((i+1)); echo $i; [ $((i % 200)) -eq 0 ] && usleep 5000; done
  echo end $i; exit 7`;
const READS = 'while read line; do echo "got $line"; done; exit 5';
const SITS = 'trap "exit 3" TERM; echo up; while :; do usleep 50000; done';
const ENDS = "while [ ! -e /go/end ]; do usleep 10000; done; echo last words; exit 42";
const EXECUTED = "while [ ! -e /go/exec ]; do usleep 10000; done; echo > /go/executed; exit 9";

let execId: string;
let ending: number[];

useStack();
beforeEach(async () => {
  await Promise.all([
    stack.run(["--name", "prints"], PRINTS),
    stack.run(["--name", "reads", "-i"], READS),
    stack.run(["--name", "sits"], SITS),
    stack.run(["--name", "ends"], ENDS),
    stack.run(["--name", "goes", "--rm"], ENDS),
  ]);

  await stack.ok("exec", "-d", "sits", "sh", "-c", EXECUTED);
  execId = await stack.inspect("sits", "{{index .ExecIDs 0}}");
  ending = [await stack.pid("ends"), await stack.pid("goes")];
}, 30_000);

/** Two of the containers end, whoever is there to see it. */
async function endSome(): Promise<void> {
  stack.signal("end");
  await until(() => !ending.some(alive), "the end of two containers");
}

async function execState(): Promise<{ Running: boolean; ExitCode: number | null }> {
  return (await stack.daemon.request(`/v1.50/exec/${execId}/json`)).json() as never;
}

async function checkAll(waitingForEnds?: Promise<string>): Promise<void> {
  const { ok } = stack;
  const docker = ok.bind(stack);
  // ps, and what ended meanwhile
  await until(async () => (await docker("ps", "-q")).split("\n").length === 3, "three running containers");
  const ps = await docker("ps", "-a", "--format", "{{.Names}} {{.State}}");
  expect(ps.split("\n").sort()).toEqual(["ends exited", "prints running", "reads running", "sits running"]);
  expect(await docker("wait", "ends")).toBe("42");
  if (waitingForEnds !== undefined) expect(await waitingForEnds).toBe("42");
  expect(await docker("logs", "ends")).toBe("last words");
  expect(await stack.inspect("ends", "{{.State.ExitCode}}{{.State.Error}}")).toBe("42");

  // attach: it still reads, and what it prints arrives and is logged
  const attached = Bun.spawn(["docker", "-H", `unix://${stack.daemon.socket}`, "attach", "reads"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let heard = "";
  const hearing = (async () => {
    for await (const chunk of attached.stdout) heard += new TextDecoder().decode(chunk);
  })();
  attached.stdin.write("a line\n");
  attached.stdin.flush();
  await until(() => heard === "got a line\n", "an answer");
  // Any other signal would be passed on.
  attached.kill("SIGKILL");
  await hearing;
  expect(await docker("logs", "reads")).toBe("got a line");

  // exec: new ones, and the one from before
  const fails = await stack.docker("exec", "sits", "sh", "-c", "echo in; exit 4");
  expect([fails.stdout, fails.status]).toEqual(["in\n", 4]);
  expect(await execState()).toMatchObject({ Running: true, ExitCode: null });
  stack.signal("exec");
  await until(async () => !(await execState()).Running, "the end of the exec");
  expect(await execState()).toMatchObject({ Running: false, ExitCode: 9 });
  expect(existsSync(join(stack.go, "executed"))).toBe(true);

  // wait that begins before the end; logs, every line once and in order
  const waiting = docker("wait", "prints");
  stack.signal("stop");
  expect(await waiting).toBe("7");
  expect(wrongLine((await stack.docker("logs", "prints")).stdout)).toBeUndefined();

  // stop and rm
  await docker("stop", "sits");
  expect(await stack.inspect("sits", "{{.State.ExitCode}}")).toBe("3");
  await docker("rm", "prints", "sits", "ends");
  await docker("rm", "-f", "reads");
  expect(await docker("ps", "-aq")).toBe("");
  await stack.back(before);
}

describe("containers outlive", () => {
  test("a killed daemon", async () => {
    await stack.killDaemon();
    await endSome();
    await stack.begin();
    await checkAll();
  }, 60_000);

  test("a killed shim, which the daemon starts again within a second", async () => {
    const waiting = stack.ok("wait", "ends");
    await Bun.sleep(100);
    for (let n = 0; n < 4; n++) {
      const killed = await stack.killShim();
      if (n === 1) await endSome();
      await stack.nextShim(killed);
    }
    await checkAll(waiting);
  }, 60_000);

  test("a killed daemon, and then a killed shim", async () => {
    await stack.killDaemon();
    await stack.killShim();
    await endSome();
    await stack.begin();
    await checkAll();
  }, 60_000);

  test("a killed shim whose daemon is killed before it can start another", async () => {
    stack.daemon.signal("SIGSTOP");
    await stack.killShim();
    await endSome();
    await stack.killDaemon();
    await stack.begin();
    await checkAll();
  }, 60_000);

  test("a killed daemon whose successor's shim is killed while it takes them back", async () => {
    for (let n = 0; n < 3; n++) {
      await stack.killDaemon();
      const starting = stack.begin();
      await stack.killShim();
      if (n === 1) await endSome();
      await starting;
    }
    await checkAll();
  }, 60_000);

  test("an orderly end of the daemon", async () => {
    expect(await stack.daemon.stop()).toBe(0);
    await endSome();
    await stack.begin();
    await checkAll();
  }, 60_000);

  test("another build of both, put in the place of theirs", async () => {
    const old = stack.shimPid();
    stack.replaceProgram();
    expect(await stack.daemon.stop()).toBe(0);
    await stack.begin();
    await until(() => !alive(old), "the end of the old build's shim");
    await endSome();
    await checkAll();
  }, 60_000);

  test("a shim killed after its file was replaced, under a daemon of the old build", async () => {
    stack.replaceProgram();
    await stack.nextShim(await stack.killShim());
    await endSome();
    await stack.nextShim(await stack.killShim());
    await checkAll();
  }, 60_000);
});

describe("the input of a client that is attached", () => {
  const HOW: [string, () => Promise<unknown>][] = [
    ["is killed", () => stack.killDaemon()],
    ["ends", () => stack.daemon.stop()],
    ["ends for another build", () => stack.daemon.stop().then(() => stack.replaceProgram())],
  ];
  for (const [what, end] of HOW) {
    test(`does not end when its daemon ${what}: another client goes on with it`, async () => {
      const words = ["-i", "--name", "held", "busybox", "sh", "-c", "cat; exit 4"];
      const docker = ["docker", "-H", `unix://${stack.daemon.socket}`];
      const first = Bun.spawn([...docker, "run", ...words], { stdio: ["pipe", "pipe", "ignore"] });
      first.stdin.write("one\n");
      first.stdin.flush();
      await until(async () => (await stack.docker("logs", "held")).stdout === "one\n", "the first line");
      stack.ids.add(await stack.inspect("held", "{{.Id}}"));
      await end();
      await first.exited;
      await stack.begin();
      expect(await stack.inspect("held", "{{.State.Status}}")).toBe("running");
      const second = Bun.spawn([...docker, "attach", "held"], { stdio: ["pipe", "pipe", "inherit"] });
      second.stdin.write("two\n");
      second.stdin.end();
      expect(await new Response(second.stdout).text()).toBe("two\n");
      expect(await second.exited).toBe(4);
      expect(await stack.ok("logs", "held")).toBe("one\ntwo");
      await stack.ok("rm", "-f", "held", "prints", "reads", "sits", "ends", "goes");
      await stack.back(before);
    }, 30_000);
  }
});
