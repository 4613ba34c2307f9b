/**
 * What an attached `tsrunc run` is while its container runs, and what it leaves. Needs root, busybox-static,
 * and the built executable.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { Bundles, until } from "../support/bundles.ts";
import { proportionalMemory } from "../support/daemon.ts";

let bundles: Bundles;

beforeAll(() => {
  bundles = new Bundles({ built: true });
});

afterAll(() => bundles.sweep());

/** Starts a container whose script says "up" when it can be told something. */
async function start(name: string, script: string, change?: (spec: Spec) => void, flags: string[] = []) {
  const folder = bundles.bundle(name, ["sh", "-c", script], change);
  const process = Bun.spawn(bundles.words("run", "--bundle", folder, ...flags, name), {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const reader = process.stdout.getReader();
  let seen = "";
  const said = async (text: string): Promise<void> => {
    while (!seen.includes(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the container said ${JSON.stringify(seen)}`);
      seen += new TextDecoder().decode(value);
    }
  };
  await said("up\n");
  return { process, said };
}

const nothingLeft = (name: string): void => {
  expect(bundles.cgroupsOf(name)).toEqual([]);
  expect(existsSync(join(bundles.state, name))).toBe(false);
};

/** Once it waits it is no longer what was started; what it waits for is noted a moment after that runs. */
const waits = (pid: number, name: string) =>
  until(
    () =>
      readlinkSync(`/proc/${pid}/exe`).includes("ts-stage") &&
      existsSync(join(bundles.state, name, "state.json")),
  );

describe("while it waits", () => {
  test("signals are the container's, and its status is told", async () => {
    const script = "trap 'echo usr1' USR1; trap 'exit 9' TERM; echo up; while :; do sleep 0.02; done";
    const { process, said } = await start("signals", script);
    process.kill("SIGUSR1");
    await said("usr1\n");
    process.kill("SIGTERM");
    expect(await process.exited).toBe(9);
    nothingLeft("signals");
  });

  test("one that comes at any moment of the start is not lost, nor is it the start's end", async () => {
    const script = "trap 'exit 9' TERM; echo up; while :; do sleep 0.02; done";
    const folder = bundles.bundle("early", ["sh", "-c", script]);
    let during = 0;
    for (let round = 0; round < 60; round++) {
      const process = Bun.spawn(bundles.words("run", "--bundle", folder, "early"), { stdout: "ignore" });
      // Any moment: from the beginning of the start to well after its end.
      await Bun.sleep(round / 2);
      const begun = existsSync(join(bundles.state, "early"));
      process.kill("SIGTERM");
      // To a pid 1 that has no handler yet a signal is nothing, as with any container.
      const again = setInterval(() => process.kill("SIGTERM"), 50);
      const status = await process.exited;
      clearInterval(again);
      if (!begun) bundles.tsrunc("delete", "--force", "early");
      else expect(status).toBe(9);
      if (begun) during++;
    }
    expect(during).toBeGreaterThan(0);
    nothingLeft("early");
  }, 30_000);

  test("it has nothing of an engine in its memory, and its own words for ps", async () => {
    const { process } = await start("small", "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done");
    await waits(process.pid, "small");
    expect(proportionalMemory(process.pid)).toBeLessThan(200);
    const wordsNow = () => readFileSync(`/proc/${process.pid}/cmdline`, "utf8").split("\0");
    // It gives itself the words when it is executed already.
    await until(() => wordsNow().includes("run"));
    const words = wordsNow();
    expect(words.slice(words.indexOf("run"), -1)).toEqual([
      "run",
      "--bundle",
      join(bundles.base, "small"),
      "small",
    ]);
    expect(JSON.parse(bundles.tsrunc("state", "small").stdout)).toMatchObject({ status: "running" });
    process.kill("SIGTERM");
    expect(await process.exited).toBe(0);
  });

  test("a death by signal is told as a shell does", async () => {
    const { process } = await start("killed", "echo up; while :; do sleep 0.02; done");
    expect(bundles.tsrunc("kill", "killed", "KILL").status).toBe(0);
    expect(await process.exited).toBe(137);
    nothingLeft("killed");
  });

  test("an exec's caller forwards signals and tells the status, too", async () => {
    const { process } = await start("entered", "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done");
    const script = "trap 'exit 8' USR2; echo in; while :; do sleep 0.02; done";
    const exec = Bun.spawn(bundles.words("exec", "entered", "sh", "-c", script), { stdout: "pipe" });
    await exec.stdout.getReader().read();
    await waits(exec.pid, "entered");
    exec.kill("SIGUSR2");
    expect(await exec.exited).toBe(8);
    process.kill("SIGTERM");
    expect(await process.exited).toBe(0);
  });

  test("killed itself, it leaves a container that can be seen, stopped and deleted", async () => {
    const { process } = await start("orphan", "echo up; while :; do sleep 0.02; done");
    await waits(process.pid, "orphan");
    process.kill("SIGKILL");
    await process.exited;
    expect(JSON.parse(bundles.tsrunc("state", "orphan").stdout)).toMatchObject({ status: "running" });
    expect(bundles.tsrunc("delete", "--force", "orphan").status).toBe(0);
    nothingLeft("orphan");
  });
});

describe("killed in the middle of a start", () => {
  test.each(["run", "create"])("%s leaves nothing that a delete by force does not remove", async (verb) => {
    const begun = join(bundles.base, `begun-${verb}`);
    const folder = bundles.bundle("half", ["true"], (spec) => {
      const script = `echo $$ >${begun}.new; mv ${begun}.new ${begun}; exec sleep 1000`;
      spec.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", script] }] };
    });
    const process = Bun.spawn(bundles.words(verb, "--bundle", folder, "half"), {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await until(() => existsSync(begun));
    process.kill("SIGKILL");
    await process.exited;
    globalThis.process.kill(Number(readFileSync(begun, "utf8")), "SIGKILL");
    expect(bundles.cgroupsOf("half")).not.toEqual([]);
    expect(bundles.tsrunc("run", "--bundle", folder, "half").stderr).toContain("already exists");
    expect(bundles.tsrunc("delete", "half").stderr).toContain("container does not exist");
    expect(bundles.tsrunc("delete", "--force", "half")).toEqual({ status: 0, stdout: "", stderr: "" });
    nothingLeft("half");
    const again = bundles.bundle("half", ["sh", "-c", "exit 3"]);
    expect(bundles.tsrunc("run", "--bundle", again, "half")).toEqual({ status: 3, stdout: "", stderr: "" });
    nothingLeft("half");
  });
});

describe("when it has become the waiter before the container started", () => {
  test("a process that cannot start is told in runc's words, to the log as well, and leaves nothing", () => {
    const folder = bundles.bundle("missing", ["/nothing/here"]);
    const log = join(bundles.base, "missing.log");
    const words = ["--log", log, "--log-format", "json", "run", "--bundle", folder, "missing"];
    const { status, stderr } = bundles.tsrunc(...words);
    const message =
      'runc run failed: unable to start container process: exec: "/nothing/here": stat /nothing/here: no such file or directory';
    expect({ status, stderr }).toEqual({ status: 1, stderr: `${message}\n` });
    expect(JSON.parse(readFileSync(log, "utf8"))).toMatchObject({ level: "error", msg: message });
    nothingLeft("missing");
  });

  test("so is one in a user namespace, whose start is not over when it has a number", () => {
    const folder = bundles.bundle("mapped", ["/nothing/here"], (spec) => {
      spec.linux!.namespaces!.push({ type: "user" });
      spec.linux!.uidMappings = spec.linux!.gidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
    });
    const { status, stderr } = bundles.tsrunc("run", "--bundle", folder, "mapped");
    expect(status).toBe(1);
    expect(stderr).toContain("stat /nothing/here: no such file or directory");
    nothingLeft("mapped");
  });

  test("so is one that had hooks before it", () => {
    const folder = bundles.bundle("hooks", ["/nothing/here"], (spec) => {
      spec.hooks = { createRuntime: [{ path: "/bin/true" }] };
    });
    const { status, stderr } = bundles.tsrunc("run", "--bundle", folder, "hooks");
    expect(status).toBe(1);
    expect(stderr).toContain("runc run failed");
    expect(stderr).toContain("stat /nothing/here: no such file or directory");
    nothingLeft("hooks");
  });

  test("its pid file has the number, and nothing else", async () => {
    const file = join(bundles.base, "pid");
    const script = "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done";
    const { process } = await start("numbered", script, undefined, ["--pid-file", file]);
    await until(() => existsSync(file));
    const { pid } = JSON.parse(bundles.tsrunc("state", "numbered").stdout);
    expect(readFileSync(file, "utf8")).toBe(String(pid));
    process.kill("SIGTERM");
    expect(await process.exited).toBe(0);
    nothingLeft("numbered");
  });

  test("a container that cannot be noted does not go on", () => {
    const folder = bundles.bundle("unnoted", ["sleep", "1000"]);
    const file = join(bundles.base, "no/such/folder/pid");
    const { status, stderr } = bundles.tsrunc("run", "--bundle", folder, "--pid-file", file, "unnoted");
    expect(status).toBe(1);
    expect(stderr).toContain(
      `runc run failed: open ${join(bundles.base, "no/such/folder/.pid")}: no such file`,
    );
    nothingLeft("unnoted");
  });

  test("an exec whose command is not there is told, too", async () => {
    const { process } = await start("host", "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done");
    const { status, stderr } = bundles.tsrunc("exec", "host", "/nothing/here");
    expect(status).toBe(255);
    expect(stderr).toContain("exec failed: unable to start container process: exec:");
    expect(stderr).toContain("stat /nothing/here: no such file or directory");
    process.kill("SIGTERM");
    expect(await process.exited).toBe(0);
  });
});

describe("when the container has ended", () => {
  test("what still runs in its cgroup ends, and the cgroup goes", async () => {
    // In the host's pid namespace nothing else ends a daemon with its parent.
    const { process, said } = await start("leaves", "sleep 1000 & echo up; echo pid=$!.; exit 4", (spec) => {
      spec.linux!.namespaces = spec.linux!.namespaces!.filter(({ type }) => type !== "pid");
    });
    await said("pid=");
    expect(await process.exited).toBe(4);
    nothingLeft("leaves");
  });

  test("its poststop hooks run, with the state on stdin", async () => {
    const note = join(bundles.base, "note");
    const { process } = await start("hooked", "echo up; exit 3", (spec) => {
      spec.hooks = { poststop: [{ path: "/bin/sh", args: ["sh", "-c", `cat >${note}`] }] };
    });
    expect(await process.exited).toBe(3);
    expect(JSON.parse(readFileSync(note, "utf8"))).toMatchObject({ id: "hooked", status: "stopped" });
    nothingLeft("hooked");
  });

  test("--keep leaves it to be deleted", async () => {
    const { process } = await start("kept", "echo up", undefined, ["--keep"]);
    expect(await process.exited).toBe(0);
    expect(JSON.parse(bundles.tsrunc("state", "kept").stdout)).toMatchObject({ status: "stopped" });
    expect(bundles.tsrunc("delete", "kept").status).toBe(0);
    nothingLeft("kept");
  });

  test("a caller that ignores SIGCHLD learns its status, too", () => {
    const folder = bundles.bundle("deaf", ["sh", "-c", "exit 6"]);
    const script = join(bundles.base, "deaf.sh");
    writeFileSync(
      script,
      `trap '' CHLD\nexec ${bundles.words("run", "--bundle", folder, "deaf").join(" ")}\n`,
    );
    expect(bundles.command(["bash", script])).toMatchObject({ status: 6 });
    nothingLeft("deaf");
  });
});
