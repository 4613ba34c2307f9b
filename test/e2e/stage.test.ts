import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { prepareInit } from "../../src/engine/runtime/init-plan.ts";
import { flags, type Plan, PlanBuilder, STAGE_FD } from "../../src/engine/runtime/plan.ts";
import { runPlan, type StageOptions, StepFailure, startStage } from "../../src/engine/runtime/stage.ts";
import type { Data } from "../../src/engine/runtime/steps.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { closeFd, pipe } from "../../src/ffi/libc.ts";
import { CLONE, PR } from "../../src/ffi/process.ts";
import { receiveFds, socketPair } from "../../src/ffi/socket.ts";
import { executeShell, mountIn, mountRoot, pipeSteps, pivotRoot, scratch } from "../support/plans.ts";

/** Runs a plan; what it wrote to stdout, and its exit status. */
async function output(plan: Plan, options: StageOptions = {}): Promise<{ text: string; status: number }> {
  const out = pipe();
  let done: Promise<number>;
  try {
    done = runPlan(plan, { stdio: ["ignore", out.write, out.write], ...options });
  } finally {
    closeFd(out.write);
  }
  const [text, status] = await Promise.all([Bun.file(out.read).text(), done]);
  closeFd(out.read);
  return { text, status };
}

const failureOf = async (plan: Plan, options?: StageOptions): Promise<StepFailure> => {
  const error = await runPlan(plan, options).catch((error) => error);
  if (!(error instanceof StepFailure)) throw new Error(`no step failed: ${error}`);
  return error;
};

/** The container of the prototype: all namespaces, five mounts by fd, pivot_root. */
function containerPlan(rootfs: string, inside: (b: PlanBuilder) => void): Plan {
  const b = new PlanBuilder();
  const child = b.label("container");
  const pid = b.slot("pid");
  const all = flags(
    CLONE,
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "CLONE_NEWUTS",
    "CLONE_NEWIPC",
    "CLONE_NEWNET",
    "CLONE_NEWCGROUP",
    "CLONE_VFORK",
  );
  b.add({ op: "clone", flags: all, child, process: 1, slot: pid, label: "clone" });
  b.add({ op: "wait", pid, label: "wait" });
  b.place(child);
  b.call("setsid", []);
  const root = mountRoot(b, rootfs);
  for (const [type, target] of [
    ["proc", "proc"],
    ["tmpfs", "dev"],
    ["sysfs", "sys"],
    ["tmpfs", "tmp"],
  ] as const)
    mountIn(b, root, type, target);
  inside(b);
  return b.build();
}

const simple = (rootfs: string, script: string): Plan =>
  containerPlan(rootfs, (b) => {
    const root = 33;
    pivotRoot(b, root);
    b.call("sethostname", [b.string("box"), 3]);
    executeShell(b, script);
  });

describe("the stage", () => {
  test("makes a container: namespaces, mounts by fd, pivot_root, execve; and ends with its status", async () => {
    using place = scratch();
    const script =
      "echo $$; cat /proc/sys/kernel/hostname; cat /proc/self/mounts | while read a b c; do echo $b; done; exit 7";
    const { text, status } = await output(simple(place.rootfs, script));
    expect(text.split("\n")).toEqual(["1", "box", "/", "/proc", "/dev", "/sys", "/tmp", ""]);
    expect(status).toBe(7);
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(place.path);
  });

  test("tells a signal's death as 128+n", async () => {
    using place = scratch();
    const b = new PlanBuilder();
    const child = b.label("child");
    const pid = b.slot("pid");
    b.add({ op: "clone", flags: 0, child, process: 1, slot: pid, label: "clone" });
    b.add({ op: "wait", pid, label: "wait" });
    b.place(child);
    executeShell(b, "kill -9 $$");
    expect(await runPlan(b.build())).toBe(137);
    expect((await output(simple(place.rootfs, "true"))).status).toBe(0);
  });

  test("names the step that failed, its reason and its process", async () => {
    using place = scratch();
    const plan = containerPlan(place.rootfs, (b) => mountIn(b, 33, "tmpfs", "missing"));
    const failure = await failureOf(plan);
    expect(failure.message).toBe('mount "tmpfs" to "/missing": no such file or directory');
    expect(failure).toMatchObject({ errno: ERRNO.ENOENT, process: 1, label: 'mount "tmpfs" to "/missing"' });
  });

  test("adds the file system's own words to the failure", async () => {
    const b = new PlanBuilder();
    const context = b.fd();
    b.call("fsopen", [b.string("tmpfs"), 1], { fd: context });
    b.call("fsconfig", [context, 1, b.string("size"), b.string("huge"), 0], { label: "set size=huge" });
    expect((await failureOf(b.build())).message).toMatch(
      /^set size=huge: invalid argument \(tmpfs: .*size.*\)$/,
    );
  });

  test("names execve of a missing program, after everything else was done", async () => {
    using place = scratch();
    const plan = containerPlan(place.rootfs, (b) => {
      pivotRoot(b, 33);
      b.call("execve", [b.string("/bin/nope"), b.strings(["nope"]), b.strings([])], { label: 'exec "nope"' });
    });
    expect((await failureOf(plan)).message).toBe('exec "nope": no such file or directory');
  });

  test("goes on after a tolerated errno, keeps it in the slot, and jumps by it", async () => {
    const b = new PlanBuilder();
    const found = b.slot("found");
    const missing = b.label("missing");
    b.call("openat", [-100, b.string("/nope"), 0], { slot: found, tolerate: [ERRNO.ENOENT] });
    b.jumpWhen(found, { equals: -ERRNO.ENOENT }, missing);
    b.call("exit_group", [1]);
    b.place(missing);
    b.call("exit_group", [42]);
    expect(await runPlan(b.build())).toBe(42);
  });

  test("puts saved results into its data as decimal and binary", async () => {
    const b = new PlanBuilder();
    const pid = b.slot("pid");
    const text = b.space(24, "text");
    const bytes = b.space(8, "bytes");
    b.call("getpid", [], { slot: pid });
    b.put(pid, text, "decimal");
    b.put(-5, bytes, "u64");
    const back = b.slot("back");
    b.get(bytes, "u64", { slot: back });
    const wrong = b.label("wrong");
    const right = b.label("right");
    b.jumpWhen(back, { equals: -5 }, right);
    b.place(wrong);
    b.add({ op: "fail", errno: 1, label: "read back -5" });
    b.place(right);
    b.call("write", [1, text, 24]);
    const out = pipe();
    const stage = startStage(b.build(), { stdio: ["ignore", out.write, "ignore"] });
    closeFd(out.write);
    const written = await Bun.file(out.read).text();
    closeFd(out.read);
    expect(await stage.done).toBe(0);
    expect(written.replace(/\0+$/, "")).toBe(String(stage.pid));
  });

  test("finds what follows in the line of a text that begins so, and nothing in another", async () => {
    const lines = "4:memory:/0::/box/no\n0::/boxes/no\n0::/box/inner\n0::/box/late\n";
    const finding = (begin: string): Plan => {
      const b = new PlanBuilder();
      const text = b.cstring(new TextEncoder().encode(lines));
      const rest = b.slot("rest");
      b.add({ op: "line", text, begin: b.string(begin), slot: rest, label: `find ${begin}` });
      b.call("write", [1, rest, 6]);
      b.call("exit_group", [0]);
      return b.build();
    };
    expect((await output(finding("0::/box/"))).text).toBe("inner\0");
    expect((await output(finding("0::/box/late"))).text.slice(0, 1)).toBe("\0");
    for (const begin of ["/box/", "0::/box/later", "0::/other/"])
      expect((await failureOf(finding(begin))).message).toBe(`find ${begin}: no such file or directory`);
  });

  test("starts clean: default signals, an empty mask, nothing open but what a step let through", async () => {
    const b = new PlanBuilder();
    const hidden = b.fd();
    b.call("openat", [-100, b.string("/etc/passwd"), 0], { fd: hidden });
    b.call("execve", [
      b.string("/bin/busybox"),
      b.strings([
        "sh",
        "-c",
        // `ls` itself opens one
        "cat /proc/self/status | grep -E 'Sig(Blk|Ign|Cgt)'; exec ls /proc/self/fd",
      ]),
      b.strings(["PATH=/bin:/usr/bin"]),
    ]);
    const leaky = pipe();
    const { text } = await output(b.build(), { control: true, fds: [leaky.read] });
    closeFd(leaky.read);
    closeFd(leaky.write);
    expect(text.replaceAll("\t", " ").trim().split("\n")).toEqual([
      "SigBlk: 0000000000000000",
      "SigIgn: 0000000000000000",
      "SigCgt: 0000000000000000",
      "0",
      "1",
      "2",
      "3",
    ]);
  });

  test("passes an fd between its processes and to TypeScript", async () => {
    const [ours, theirs] = socketPair();
    const b = new PlanBuilder();
    const file = b.fd();
    b.call("openat", [-100, b.string("/etc/passwd"), 0], { fd: file });
    b.add({ op: "pass", socket: STAGE_FD.firstPassed, send: file, label: "pass the file" });
    expect(await runPlan(b.build(), { fds: [theirs] })).toBe(0);
    closeFd(theirs);
    const received = receiveFds(ours, 16, 4);
    closeFd(ours);
    expect(readlinkSync(`/proc/self/fd/${received!.fds[0]}`)).toBe("/etc/passwd");
    closeFd(received!.fds[0]!);
  });

  /** Its child goes on with the second part. */
  const cut = (): { b: PlanBuilder; first: Plan; early: Data } => {
    const b = new PlanBuilder();
    const child = b.label("child");
    const pid = b.slot("pid");
    b.add({ op: "clone", flags: flags(CLONE, "CLONE_VFORK"), child, process: 1, slot: pid, label: "clone" });
    b.add({ op: "wait", pid, label: "wait" });
    b.place(child);
    const early = b.string("early ");
    return { b, early, first: b.cut("hear of the rest") };
  };

  test("goes on with a part that is sent later, however large it is", async () => {
    const { b, first, early } = cut();
    const out = pipe();
    const stage = startStage(first, { stdio: ["ignore", out.write, "ignore"], control: true });
    closeFd(out.write);
    const large = b.string("x".repeat(1_000_000));
    const skipped = b.label("skipped");
    b.jump(skipped);
    b.call("exit_group", [1]);
    b.place(skipped);
    b.call("write", [1, early, 6]);
    b.call("write", [1, b.part(large, 999_996), 4]);
    b.call("exit_group", [7]);
    stage.more(b.build());
    expect(await Bun.file(out.read).text()).toBe("early xxxx");
    expect(await stage.done).toBe(7);
    closeFd(out.read);
    closeFd(stage.control);
  });

  test("names a step of a later part that failed", async () => {
    const { b, first } = cut();
    const stage = startStage(first, { control: true });
    b.call("getpid", []);
    b.add({ op: "fail", errno: ERRNO.EIO, label: "a step of the second part" });
    stage.more(b.build());
    await expect(stage.done).rejects.toThrow("a step of the second part: input/output error");
    await stage.done.catch(() => {});
    closeFd(stage.control);
  });

  test("ends when nobody is left to send the rest", async () => {
    const stage = startStage(cut().first, { control: true });
    closeFd(stage.control);
    await expect(stage.done).rejects.toThrow("hear of the rest: connection reset by peer");
    await stage.done.catch(() => {});
  });

  test("that has failed takes no other part, which is no failure of its own", async () => {
    const b = new PlanBuilder();
    b.add({ op: "fail", errno: ERRNO.EIO, label: "an early step" });
    const stage = startStage(b.cut("hear of the rest"), { control: true });
    await stage.done.catch(() => {});
    stage.more(b.build());
    await expect(stage.done).rejects.toThrow("an early step: input/output error");
    closeFd(stage.control);
  });

  test("kills what it has cloned when a later step fails: no half-made container stays", async () => {
    using place = scratch();
    const b = new PlanBuilder();
    const child = b.label("child");
    const pid = b.slot("pid");
    b.add({ op: "clone", flags: flags(CLONE, "CLONE_VFORK"), child, process: 1, slot: pid, label: "clone" });
    b.add({ op: "fail", errno: ERRNO.EIO, label: "the parent's own step" });
    b.place(child);
    b.call("execve", [b.string("/bin/busybox"), b.strings(["sleep", "3600", place.path]), b.strings([])]);
    expect((await failureOf(b.build())).message).toBe("the parent's own step: input/output error");
    const alive = readdirSync("/proc").filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(`3600\0${place.path}`);
      } catch {
        return false;
      }
    });
    expect(alive).toEqual([]);
  });

  test("leaves no fd open in this process", async () => {
    await runPlan(new PlanBuilder().build());
    const before = readdirSync("/proc/self/fd").length;
    for (let n = 0; n < 10; n++) await runPlan(new PlanBuilder().build());
    await failureOf(
      (() => {
        const b = new PlanBuilder();
        b.add({ op: "fail", errno: 1, label: "x" });
        return b.build();
      })(),
    );
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

test("the stage runs from an unlinked file where the host forbids executable memfds", () => {
  const sysctl = "/proc/sys/vm/memfd_noexec";
  // Linux before 6.3 cannot forbid them
  if (!existsSync(sysctl)) return;
  const script = `echo 2 >${sysctl}; exec "$0" "$1"`;
  const program = join(import.meta.dir, "../support/run-plan.ts");
  // The sysctl belongs to the pid namespace
  const inside = [
    "unshare",
    "--pid",
    "--fork",
    "--mount-proc",
    "sh",
    "-c",
    script,
    process.execPath,
    program,
  ];
  const { stdout, stderr } = Bun.spawnSync(inside);
  expect(stderr.toString()).toBe("");
  expect(stdout.toString()).toBe("file 6\n");
  expect(Bun.spawnSync([process.execPath, program]).stdout.toString()).toBe("memfd 6\n");
});

describe("--init", () => {
  /** A container with a pid namespace of its own, whose pid 1 is the stage. */
  function withInit(rootfs: string, command: (b: PlanBuilder) => void): Plan {
    const b = new PlanBuilder();
    b.call("prctl", [flags(PR, "PR_SET_DUMPABLE"), 0]);
    const ready = pipeSteps(b);
    const child = b.label("container");
    const pid = b.slot("pid");
    const got = b.slot("got");
    const fresh = flags(CLONE, "CLONE_NEWNS", "CLONE_NEWPID", "CLONE_VFORK");
    b.add({ op: "clone", flags: fresh, child, process: 1, slot: pid, label: "clone" });
    b.call("close", [ready.write]);
    b.call("read", [ready.read, b.space(8, "nothing"), 1], {
      slot: got,
      label: "wait until the command runs",
    });
    b.add({ op: "check", label: "check" });
    b.add({ op: "wait", pid, label: "wait" });
    b.place(child);
    const root = mountRoot(b, rootfs);
    mountIn(b, root, "proc", "proc");
    const argv = ["/sbin/docker-init", "--", "sh", "-c", "…"];
    const executeInit = prepareInit(b, { argv, env: ["PATH=/bin"], command });
    pivotRoot(b, root);
    executeInit.execute(ready.write);
    return b.build();
  }

  test("shows /sbin/docker-init as pid 1, and the command as its child", async () => {
    using place = scratch();
    const script =
      "tr '\\0' ' ' </proc/1/cmdline; echo; cat /proc/1/comm; echo $$ $PPID; ls /proc/1/fd | tr '\\n' ' '; exit 4";
    const plan = withInit(place.rootfs, (b) =>
      b.call("execve", [b.string("/bin/busybox"), b.strings(["sh", "-c", script]), b.strings(["PATH=/bin"])]),
    );
    const { text, status } = await output(plan);
    expect(text.split("\n").slice(0, 4)).toEqual([
      "/sbin/docker-init -- sh -c … ",
      "docker-init",
      "2 1",
      "0 1 2 ",
    ]);
    expect(status).toBe(4);
  });

  test("keeps nothing of a plan in pid 1's memory", async () => {
    using place = scratch();
    // It goes on at the same time as the command
    const script =
      "n=0; while grep -q ts-plan /proc/1/maps && [ $n -lt 50 ]; do sleep 0.02; n=$((n+1)); done; cat /proc/1/maps";
    const plan = withInit(place.rootfs, (b) => executeShell(b, script));
    const { text } = await output(plan);
    expect(text).toContain("memfd:ts-stage");
    expect(text).not.toContain("ts-plan");
    expect(text).not.toContain("ts-status");
  });

  test("lets the command write to pid 1's streams, although the stage was not dumpable", async () => {
    using place = scratch();
    const plan = withInit(place.rootfs, (b) => executeShell(b, "echo logged >/proc/1/fd/1"));
    expect((await output(plan)).text).toBe("logged\n");
  });

  test("reaps orphans", async () => {
    using place = scratch();
    const script = `sh -c 'sleep 0.05 & echo $! >/tmp/orphan'; while kill -0 $(cat /tmp/orphan) 2>/dev/null; do sleep 0.02; done; echo gone`;
    const plan = withInit(place.rootfs, (b) => executeShell(b, script));
    expect((await output(plan)).text).toEndWith("gone\n");
  });

  test("forwards signals to the command", async () => {
    using place = scratch();
    const script = "trap 'echo got it; exit 9' USR1; kill -USR1 1; while :; do sleep 0.05; done";
    const plan = withInit(place.rootfs, (b) => executeShell(b, script));
    expect(await output(plan)).toEqual({ text: "got it\n", status: 9 });
  });

  test("names a command that cannot be executed", async () => {
    using place = scratch();
    const plan = withInit(place.rootfs, (b) =>
      b.call("execve", [b.string("/bin/nope"), b.strings(["nope"]), b.strings([])], { label: 'exec "nope"' }),
    );
    const failure = await failureOf(plan);
    expect(failure.message).toBe('exec "nope": no such file or directory');
    expect(failure.process).toBe(9);
  });
});

test("ts-init replaces itself by the stage: same pid, its flags, no JavaScript left", async () => {
  const main = join(import.meta.dir, "../../src/main.ts");
  const script = "grep -E '^(Name|VmRSS):' /proc/$PPID/status | tr -d '\\t '; echo $PPID; exit 3";
  const child = Bun.spawn([process.execPath, main, "ts-init", "-s", "-e", "3", "--", "sh", "-c", script], {
    stdout: "pipe",
  });
  const [text, status] = await Promise.all([child.stdout.text(), child.exited]);
  const [name, rss, pid] = text.split("\n");
  expect(name).toBe("Name:ts-init");
  expect(Number(/\d+/.exec(rss ?? "")?.[0])).toBeLessThan(200);
  expect(Number(pid)).toBe(child.pid);
  expect(status).toBe(0);
});
