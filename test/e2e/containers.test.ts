/** Containers by the real docker client: what run's flags do inside, how they end, and what is left behind. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { TestEngine } from "./container/engine.ts";

setDefaultTimeout(60_000);
let engine: TestEngine;
let shared: string;

beforeAll(async () => {
  engine = await TestEngine.open();
  shared = mkdtempSync(join(tmpdir(), "tsd-bind-"));
}, 60_000);

afterAll(async () => {
  await engine.close();
  rmSync(shared, { recursive: true, force: true });
}, 60_000);

describe("docker run", () => {
  test("gives streams and status back", async () => {
    const run = await engine.run(
      ...["run", "--rm", "--network", "none", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3"],
    );
    expect(run).toEqual({ status: 3, out: "out\n", err: "err\n" });
    const fed = await engine.feed("hello", "run", "--rm", "-i", "--network", "none", "busybox", "cat");
    expect(fed).toEqual({ status: 0, out: "hello", err: "" });
  });

  test("says what cannot be executed as Docker 29 does", async () => {
    const failing = async (...args: string[]) => {
      const { status, err } = await engine.run("run", "--rm", "--network", "none", ...args);
      return [status, err.split("\n")[0]];
    };
    const prefix =
      "docker: Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: ";
    expect(await failing("busybox", "nosuch")).toEqual([
      127,
      `${prefix}"nosuch": executable file not found in $PATH`,
    ]);
    expect(await failing("busybox", "/etc")).toEqual([
      126,
      `${prefix}"/etc": is a directory: permission denied`,
    ]);
    expect(await failing("busybox", "/etc/passwd")).toEqual([
      126,
      `${prefix}"/etc/passwd": permission denied`,
    ]);
    expect(await failing("-u", "nosuch", "busybox", "true")).toEqual([
      125,
      "docker: Error response from daemon: unable to find user nosuch: no matching entries in passwd file",
    ]);
    // Too much for the stack that it may have: found, and told by the path where it was.
    const words = ["x".repeat(100_000), "y".repeat(100_000)];
    expect(
      await engine.run(
        "run",
        "--rm",
        "--network",
        "none",
        "--ulimit",
        "stack=65536",
        "busybox",
        "echo",
        ...words,
      ),
    ).toEqual({
      status: 255,
      out: "",
      err: "exec /bin/echo: argument list too long\n",
    });
    expect(await failing("--tmpfs", "/x:nosuch", "busybox", "true")).toEqual([
      125,
      'docker: Error response from daemon: invalid tmpfs option "nosuch"',
    ]);
  });

  test("sets user, groups, folder and environment", async () => {
    expect(await engine.say(["-u", "app"], "id")).toBe(
      "uid=1000(app) gid=1000(app) groups=10(wheel),1000(app)",
    );
    expect(await engine.say(["-u", "5:10"], "id")).toBe("uid=5 gid=10(wheel) groups=10(wheel)");
    expect(await engine.say(["--group-add", "wheel"], "id")).toBe(
      "uid=0(root) gid=0(root) groups=0(root),10(wheel)",
    );
    expect(await engine.say(["-w", "/new/dir", "-e", "A=1"], "sh", "-c", "pwd; echo $A $HOME")).toBe(
      "/new/dir\n1 /root",
    );
  });

  test("names the host, and shares what is asked for", async () => {
    expect(await engine.say(["--hostname", "h1"], "sh", "-c", "hostname; cat /etc/hostname")).toBe("h1\nh1");
    expect(await engine.say(["--uts", "host"], "hostname")).toBe(hostname());
    const ownPid = await engine.say(["--pid", "host"], "sh", "-c", "ls -l /proc/self/ns/pid");
    expect(ownPid).toContain(
      /pid:\[\d+\]/.exec(Bun.spawnSync(["ls", "-l", "/proc/self/ns/pid"]).stdout.toString())![0],
    );
  });

  test("drops capabilities, privileges and system calls", async () => {
    const status = (...options: string[]) =>
      engine.say(options, "grep", "-E", "CapBnd|NoNewPrivs|Seccomp:", "/proc/self/status");
    expect(await status()).toBe("CapBnd:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2");
    expect(await status("--cap-drop", "ALL", "--cap-add", "SYS_TIME")).toStartWith(
      "CapBnd:\t0000000002000000",
    );
    expect(
      await status("--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined"),
    ).toEndWith("NoNewPrivs:\t1\nSeccomp:\t0");
    const profile = join(shared, "profile.json");
    const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" };
    writeFileSync(profile, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
    const { status: ended } = await engine.run(
      ...[
        "run",
        "--rm",
        "--network",
        "none",
        "--security-opt",
        `seccomp=${profile}`,
        "busybox",
        "mkdir",
        "/x",
      ],
    );
    expect(ended).toBe(1);
  });

  test("denies the host's disks although mknod is allowed", async () => {
    const { status, err } = await engine.run(
      ...["run", "--rm", "--network", "none", "busybox", "sh", "-c", "mknod /d b 8 0 && dd if=/d count=1"],
    );
    expect(status).not.toBe(0);
    expect(err).toMatch(/not permitted/);
  });

  test("limits memory, processors, processes and files", async () => {
    const read = (file: string) => `cat /sys/fs/cgroup/${file}`;
    const limits = ["-m", "64m", "--cpus", "0.5", "--pids-limit", "20", "--ulimit", "nofile=100:200"];
    if (existsSync("/sys/fs/cgroup/memory")) {
      const script = [
        read("memory/memory.limit_in_bytes"),
        read("cpu/cpu.cfs_quota_us"),
        read("pids/pids.max"),
      ].join(";");
      expect(await engine.say(limits, "sh", "-c", script)).toBe("67108864\n50000\n20");
    }
    expect(await engine.say(limits, "sh", "-c", "ulimit -n; ulimit -Hn")).toBe("100\n200");
  });

  test("has /etc/mtab, and a tmpfs that everybody may write to where no folder was", async () => {
    const words = ["sh", "-c", "readlink /etc/mtab; stat -c %a /made; mkdir /etc/x; rm -r /etc/x"];
    const name = `mtab-${Date.now()}`;
    const made = await engine.run(
      "run",
      "--name",
      name,
      "--network",
      "none",
      "--tmpfs",
      "/made",
      "busybox",
      ...words,
    );
    expect(made).toMatchObject({ status: 0, out: "/proc/mounts\n1777\n" });
    const { out } = await engine.run("diff", name);
    expect(out).not.toContain("mtab");
    await engine.run("rm", name);
    expect(await engine.say(["--read-only"], "sh", "-c", "readlink /etc/mtab")).toBe("/proc/mounts");
  });

  test("has its root written back at its end, unless it is removed then", async () => {
    const rootOf = async (...words: string[]): Promise<string> => {
      const show = ["busybox", "grep", " / ", "/proc/mounts"];
      const made = await engine.run("run", "--name", "root", "--network", "none", ...words, ...show);
      await engine.run("rm", "-f", "root");
      return made.out;
    };
    expect(await rootOf()).toMatch(/^overlay \/ overlay rw,(?!.*\bvolatile\b)/);
    expect(await rootOf("--rm")).toMatch(/^overlay \/ overlay rw,.*\bvolatile\b/);
  });

  test("keeps what a container has written that is to be removed, as long as it is restarted", async () => {
    const script = "echo x >>/written; sleep 1000";
    const flags = ["-d", "--rm", "--init", "--name", "again", "--network", "none"];
    await engine.run("run", ...flags, "busybox", "sh", "-c", script);
    const written = async (): Promise<string> =>
      (await engine.run("exec", "again", "cat", "/written")).out.replaceAll("\n", "");
    await engine.until(async () => (await written()) === "x");
    for (const all of ["xx", "xxx"]) {
      expect(await engine.run("restart", "-t", "0", "again")).toMatchObject({ status: 0 });
      await engine.until(async () => (await written()) === all);
    }
    expect((await engine.run("stop", "-t", "0", "again")).status).toBe(0);
    await engine.until(async () => (await engine.run("inspect", "again")).status !== 0);
  });

  test("mounts what is asked for, and nothing more", async () => {
    expect(await engine.say(["-v", `${shared}/made:/v`], "sh", "-c", "echo x >/v/f; cat /v/f")).toBe("x");
    expect(readFileSync(join(shared, "made/f"), "utf8")).toBe("x\n");
    const readOnly = await engine.run(
      ...["run", "--rm", "--network", "none", "-v", `${shared}:/v:ro`, "busybox", "touch", "/v/g"],
    );
    expect(readOnly).toMatchObject({ status: 1, err: "touch: /v/g: Read-only file system\n" });
    expect(
      await engine.say(["--tmpfs", "/t:size=1m", "--shm-size", "8m"], "df", "-k", "/t", "/dev/shm"),
    ).toMatch(/1024 .*\/t\n.*8192 .*\/dev\/shm/);
    const rootfs = await engine.run(
      "run",
      "--rm",
      "--network",
      "none",
      "--read-only",
      "busybox",
      "touch",
      "/x",
    );
    expect(rootfs.err).toBe("touch: /x: Read-only file system\n");
  });

  test("puts an init above the command", async () => {
    expect(await engine.say(["--init"], "ps")).toMatch(/1 root +\/sbin\/docker-init -- ps/);
  });
});

describe("the end of a container", () => {
  const mountNamespaces = (pid: number): string[] =>
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
        return link.startsWith("mnt:") ? [link] : [];
      } catch {
        return [];
      }
    });
  const parentOf = (pid: number): number =>
    Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);

  test("is told before its mounts are gone, if they are all ours", async () => {
    await engine.sleeper("ours", "--tmpfs", "/t", "--ipc", "shareable");
    await engine.sleeper("lent", "-v", `${shared}:/v`);
    await engine.sleeper("volume", "-v", "/v");
    await engine.sleeper("mounts", "--cap-add", "SYS_ADMIN");
    const pidOf = (name: string) => engine.inspect<number>(name, ".State.Pid");
    const own = readlinkSync(`/proc/${await pidOf("ours")}/ns/mnt`);
    const keeper = parentOf(await pidOf("ours"));
    expect(mountNamespaces(keeper)).toEqual([own]);
    // Of those that it hands its descriptors to, nobody has this one.
    expect(mountNamespaces(parentOf(keeper))).toEqual([]);
    expect(mountNamespaces(await pidOf("ours"))).toEqual([]);
    for (const name of ["lent", "volume", "mounts"])
      expect(mountNamespaces(parentOf(await pidOf(name)))).toEqual([]);
    await engine.run("rm", "-f", "-v", "ours", "lent", "volume", "mounts");
  });

  test("is told when a disk that it was lent is free", async () => {
    const disk = join(engine.folder, "disk");
    const at = mkdtempSync(join(tmpdir(), "tsd-disk-"));
    const sh = (script: string): string => {
      const done = Bun.spawnSync(["sh", "-ec", script, disk, at], { stderr: "pipe" });
      if (!done.success) throw new Error(done.stderr.toString());
      return done.stdout.toString();
    };
    try {
      sh('truncate -s 8M "$0"; mkfs.ext4 -q "$0"');
      let late = 0;
      for (let round = 0; round < 5; round++) {
        sh('mount -o loop "$0" "$1"');
        // Of its own root there is enough to be written back for that to take a while.
        const write = ["sh", "-c", "echo x >/v/x; dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null"];
        const done = await engine.run("run", "--network", "none", "-v", `${at}:/v`, "busybox", ...write);
        expect(done.status).toBe(0);
        // Then its loop device goes with it, unless somebody else's container begins just now: with a copy of all mounts.
        if (sh('umount "$1"; losetup -j "$0"') !== "") late++;
        await engine.until(async () => sh('losetup -j "$0"') === "");
      }
      expect(late).toBeLessThan(3);
    } finally {
      Bun.spawnSync(["umount", at], { stderr: "ignore" });
      rmSync(at, { recursive: true });
    }
  });

  test("may be followed by its start, a copy or its removal at once", async () => {
    const script = "echo x >>/written; dd if=/dev/zero of=/big bs=1M count=8 2>/dev/null";
    await engine.run("create", "--name", "again", "--network", "none", "busybox", "sh", "-c", script);
    for (let round = 1; round <= 5; round++) {
      expect((await engine.run("start", "-a", "again")).status).toBe(0);
      const { out } = await engine.run("cp", "again:/written", "-");
      expect(out.split("\n").filter((line) => line.endsWith("x"))).toHaveLength(round);
    }
    expect((await engine.run("start", "-a", "again")).status).toBe(0);
    expect((await engine.run("rm", "again")).status).toBe(0);
    const snapshots = join(engine.dataRoot, "snapshots");
    const left = readdirSync(snapshots).length;
    await engine.run("run", "--rm", "--network", "none", "busybox", "sh", "-c", script);
    await engine.until(async () => readdirSync(snapshots).length <= left);
  });
});

test("too much memory: 137, OOMKilled, and an event", async () => {
  const since = String(Date.now() / 1000);
  const { status } = await engine.run(
    ...[
      "run",
      "--name",
      "hungry",
      "--network",
      "none",
      "-m",
      "20m",
      "busybox",
      "sh",
      "-c",
      "x=a; while true; do x=$x$x; done",
    ],
  );
  expect(status).toBe(137);
  expect(await engine.inspect("hungry", ".State")).toMatchObject({
    OOMKilled: true,
    ExitCode: 137,
    Status: "exited",
  });
  const events = await engine.run(
    ...[
      "events",
      "--since",
      since,
      "--until",
      String(Date.now() / 1000),
      "--format",
      "{{.Action}}",
      "--filter",
      "container=hungry",
    ],
  );
  expect(events.out.split("\n")).toContain("oom");
});

describe("a running container", () => {
  beforeAll(async () => {
    await engine.sleeper("c1", "-v", "/anonymous");
  });

  test("runs commands besides its own", async () => {
    expect(await engine.run("exec", "c1", "sh", "-c", "echo in; exit 4")).toMatchObject({
      status: 4,
      out: "in\n",
    });
    const own = await engine.run(
      "exec",
      "-u",
      "app",
      "-w",
      "/tmp",
      "-e",
      "X=1",
      "c1",
      "sh",
      "-c",
      "id -u; pwd; echo $X",
    );
    expect(own.out).toBe("1000\n/tmp\n1\n");
    const missing = await engine.run("exec", "c1", "nosuch");
    expect(missing.status).toBe(127);
    expect(missing.out + missing.err).toContain('exec: "nosuch": executable file not found in $PATH');
  });

  test("never loses the status of a short exec", async () => {
    const statuses = await Promise.all(
      Array.from({ length: 10 }, (_, i) => engine.run("exec", "c1", "sh", "-c", `exit ${i + 1}`)),
    );
    expect(statuses.map(({ status }) => status)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("shows its processes", async () => {
    const { out } = await engine.run("top", "c1", "-o", "pid,args");
    expect(out).toMatch(/^PID +COMMAND\n\d+ +sh -c trap/);
  });

  test("is paused: nothing runs in it, and it can be taken up again", async () => {
    await engine.run("pause", "c1");
    expect(await engine.inspect<string>("c1", ".State.Status")).toBe("paused");
    expect((await engine.run("exec", "c1", "true")).err).toContain(
      "is paused, unpause the container before exec",
    );
    expect((await engine.run("unpause", "c1")).status).toBe(0);
    expect((await engine.run("exec", "c1", "true")).status).toBe(0);
  });

  test("takes and gives files, and never one of the host's", async () => {
    const file = join(shared, "one");
    writeFileSync(file, "one");
    expect((await engine.run("cp", file, "c1:/tmp/two")).status).toBe(0);
    expect((await engine.run("exec", "c1", "cat", "/tmp/two")).out).toBe("one");
    expect((await engine.run("cp", "c1:/tmp/two", join(shared, "three"))).status).toBe(0);
    expect(readFileSync(join(shared, "three"), "utf8")).toBe("one");
    await engine.run("exec", "c1", "ln", "-s", shared, "/out");
    expect((await engine.run("cp", "c1:/out/one", join(shared, "four"))).status).toBe(1);
    expect((await engine.run("cp", file, "c1:/out/five")).status).toBe(1);
    expect(existsSync(join(shared, "five"))).toBe(false);
    expect((await engine.run("diff", "c1")).out.split("\n")).toContain("A /tmp/two");
  });

  test("keeps what is mounted in it, and says where nothing can be put", async () => {
    const file = join(shared, "new");
    const own = join(shared, "own");
    writeFileSync(file, "new", { mode: 0o600 });
    writeFileSync(own, "own");
    await engine.sleeper("mounted", "-v", `${own}:/root/own`, "--tmpfs", "/root/deep");
    const mounts = async () => (await engine.run("exec", "mounted", "cat", "/proc/mounts")).out;
    const before = await mounts();
    const busy = { status: 1, out: "" };
    for (const path of ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/root/own"]) {
      expect(await engine.run("cp", file, `mounted:${path}`)).toEqual({
        ...busy,
        err: `Error response from daemon: unlinkat ${path}: device or resource busy\n`,
      });
    }
    for (const [path, reason] of [
      ["/proc/x", "no such file or directory"],
      ["/sys/x", "read-only file system"],
    ])
      expect(await engine.run("cp", file, `mounted:${path}`)).toEqual({
        ...busy,
        err: `Error response from daemon: open ${path}: ${reason}\n`,
      });
    expect(await mounts()).toBe(before);
    expect(readFileSync(own, "utf8")).toBe("own");
    await engine.run("stop", "-t", "5", "mounted");
    for (const path of ["/etc/hosts", "/root/own"])
      expect((await engine.run("cp", file, `mounted:${path}`)).err).toBe(
        `Error response from daemon: unlinkat ${path}: device or resource busy\n`,
      );
    await engine.run("rm", "-f", "mounted");
  });

  test("is stopped by its signal, and started again", async () => {
    expect((await engine.run("stop", "c1")).status).toBe(0);
    expect(await engine.inspect("c1", ".State")).toMatchObject({ Status: "exited", ExitCode: 7, Pid: 0 });
    expect((await engine.run("wait", "c1")).out).toBe("7\n");
    expect((await engine.run("restart", "c1")).status).toBe(0);
    expect(await engine.inspect<string>("c1", ".State.Status")).toBe("running");
  });

  test("is renamed and removed, its anonymous volume with it", async () => {
    await engine.run("rename", "c1", "c2");
    expect((await engine.run("ps", "--format", "{{.Names}}")).out).toBe("c2\n");
    expect((await engine.run("rm", "c2")).err).toContain(
      'cannot remove container "c2": container is running: stop the container before removing or force remove',
    );
    expect((await engine.run("volume", "ls", "-q")).out).not.toBe("");
    expect((await engine.run("rm", "-f", "-v", "c2")).status).toBe(0);
    expect((await engine.run("volume", "ls", "-q")).out).toBe("");
  });
});

test("killing the daemon loses nothing: neither lines nor statuses", async () => {
  const script = "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo $i; sleep 0.05; done; exit 6";
  await engine.run("run", "-d", "--name", "prints", "--network", "none", "busybox", "sh", "-c", script);
  await engine.run("run", "-d", "--rm", "--name", "short", "--network", "none", "busybox", "sleep", "0.3");
  await engine.sleeper("paused");
  await engine.run("pause", "paused");
  await engine.stop("SIGKILL");
  await Bun.sleep(600);
  await engine.start();
  expect((await engine.run("ps", "-a", "--format", "{{.Names}}")).out).not.toContain("short");
  expect(await engine.inspect<string>("paused", ".State.Status")).toBe("paused");
  expect((await engine.run("wait", "prints")).out).toBe("6\n");
  const lines = Array.from({ length: 30 }, (_, i) => i + 1).join("\n");
  expect((await engine.run("logs", "prints")).out).toBe(`${lines}\n`);
  await engine.run("unpause", "paused");
  expect((await engine.run("exec", "paused", "echo", "here")).out).toBe("here\n");
  await engine.run("rm", "-f", "prints", "paused");
}, 60_000);

test("a container that may have one process has execs, and another's in its pid namespace", async () => {
  const limited = ["--network", "none", "--pids-limit", "1"];
  await engine.run("run", "-d", "--name", "single", ...limited, "busybox", "sleep", "1000");
  const inside = (...args: string[]) => engine.run("exec", ...args);
  expect(await inside("single", "sh", "-c", "exit 3")).toMatchObject({ status: 3, err: "" });
  expect(await inside("-t", "single", "echo", "here")).toMatchObject({ status: 0, out: "here\r\n" });
  expect((await inside("single", "sh", "-c", "true | true")).err).toContain("can't fork");
  expect((await inside("single", "nosuch")).status).toBe(127);
  const beside = ["run", "--rm", "--pid", "container:single", ...limited, "busybox", "ps", "-o", "args"];
  expect((await engine.run(...beside)).out).toContain("sleep 1000");
  await engine.run("rm", "-f", "single");
});

test("nothing is left behind", async () => {
  await engine.run("container", "prune", "-f");
  expect((await engine.run("ps", "-aq")).out).toBe("");
  // Folders go behind the answer.
  await engine.until(async () => readdirSync(join(engine.dataRoot, "containers")).length === 0);
  expect(readdirSync(join(engine.dataRoot, "volumes"))).toEqual([]);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(engine.folder);
});
