/** tsrunc on a real kernel: with bundles of a busybox, and under Debian's dockerd. Needs root, busybox-static, docker.io. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { Bundles, CAPS, type Result, until } from "../support/bundles.ts";
import { Dockerd } from "../support/dockerd.ts";

let bundles: Bundles;
let base: string;
let rootfs: string;

const program = () => bundles.program;
const command = (words: string[], cwd?: string): Result => bundles.command(words, cwd);
const tsrunc = (...args: string[]): Result => bundles.tsrunc(...args);
const bundle = (name: string, args: string[], change?: (spec: Spec) => void): string =>
  bundles.bundle(name, args, change);
const run = (args: string[], change?: (spec: Spec) => void): Result =>
  tsrunc("run", "--bundle", bundle("one", args, change), "one");

beforeAll(() => {
  bundles = new Bundles();
  ({ base, rootfs } = bundles);
  writeFileSync(join(rootfs, "noformat"), "no program\n");
  chmodSync(join(rootfs, "noformat"), 0o755);
});

afterAll(() => bundles.sweep());

describe("a container that joins another's pid namespace", () => {
  let joins: (spec: Spec) => void;
  beforeAll(() => {
    const folder = bundle("other", ["sleep", "1000"]);
    const words = bundles.words("run", "--detach", "--bundle", folder, "other");
    expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
    const { pid } = JSON.parse(tsrunc("state", "other").stdout);
    joins = (spec) => {
      spec.linux!.namespaces!.find(({ type }) => type === "pid")!.path = `/proc/${pid}/ns/pid`;
    };
  });
  afterAll(() => {
    tsrunc("delete", "--force", "other");
  });

  test("sees its processes, and ends with its own status", () => {
    const { status, stdout } = run(["sh", "-c", "tr '\\0' ' ' </proc/1/cmdline; exit 9"], joins);
    expect([status, stdout]).toEqual([9, "sleep 1000 "]);
    expect(run(["nosuch"], joins).stderr).toContain("executable file not found in $PATH");
    expect(tsrunc("exec", "other", "nosuch").stderr).toContain("executable file not found in $PATH");
    // Nor is anything left to the other's first process, which waits for nobody.
    expect(tsrunc("exec", "other", "ps", "-o", "stat").stdout).not.toContain("Z");
  });

  test("is created first, and started then", () => {
    const folder = bundle("one", ["sh", "-c", "echo $PPID >/dev/shm/ran"], joins);
    const words = bundles.words("create", "--bundle", folder, "one");
    expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
    const { pid, status } = JSON.parse(tsrunc("state", "one").stdout);
    expect(status).toBe("created");
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^NSpid:\t\d+\t(?!1$)\d+$/m);
    expect(tsrunc("start", "one").status).toBe(0);
    expect(tsrunc("delete", "--force", "one").status).toBe(0);
  });

  test("has hooks that are told of a process in its namespaces, and after the start of its own", () => {
    const note = (kind: string) => join(base, `${kind}.json`);
    const { status, stdout } = run(["readlink", "/proc/self/ns/uts"], (spec) => {
      joins(spec);
      const uts = `sed 's/.*"pid":\\([0-9]*\\).*/\\1/' | xargs -I@ readlink /proc/@/ns/uts >${note("createRuntime")}`;
      spec.hooks = {
        createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", uts], env: ["PATH=/usr/bin:/bin"] }],
        poststart: [{ path: "/bin/sh", args: ["sh", "-c", `cat >${note("poststart")}`] }],
      };
    });
    expect(status).toBe(0);
    expect(readFileSync(note("createRuntime"), "utf8")).toBe(stdout);
    expect(readFileSync(note("poststart"), "utf8")).toMatch(/"pid":[1-9]/);
  });
});

describe("run", () => {
  test("gives the container namespaces, mounts and a process of its own, and ends with its status", () => {
    const { status, stdout } = run([
      "sh",
      "-c",
      "hostname; echo $$; cat /proc/mounts; ls /dev; echo $HOME; exit 9",
    ]);
    expect(status).toBe(9);
    expect(stdout).toStartWith("tsrunc\n1\n");
    expect(stdout).toContain("devpts /dev/pts devpts");
    expect(stdout).toContain("\nnull\n");
    expect(stdout).toEndWith("/root\n");
  });

  test("takes capabilities, gives the filter and the limits that were asked for", () => {
    const { stdout } = run(
      ["sh", "-c", "grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; ulimit -n; id"],
      (spec) => {
        spec.process!.rlimits = [{ type: "RLIMIT_NOFILE", soft: 33, hard: 44 }];
        spec.process!.user = { uid: 7, gid: 8, additionalGids: [9] };
        spec.process!.capabilities = { bounding: CAPS, effective: [], permitted: [] };
      },
    );
    expect(stdout).toBe(
      "CapEff:\t0000000000000000\nCapBnd:\t00000000080000e1\nNoNewPrivs:\t1\nSeccomp:\t2\n33\nuid=7(ann) gid=8 groups=9\n",
    );
  });

  test("hides and protects paths, and the root when it is read-only", () => {
    const { stdout } = run(
      [
        "sh",
        "-c",
        "cat /proc/keys; ls /sys/firmware; touch /x; touch /proc/sys/kernel/domainname; touch /tmp/y; echo done",
      ],
      (spec) => {
        spec.mounts!.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["size=1m"] });
      },
    );
    expect(stdout).toBe("done\n");
    expect(existsSync(join(rootfs, "x"))).toBe(false);
    expect(run(["touch", "/x"]).stderr).toContain("Read-only file system");
  });

  test("denies a disk, although a node may be made", () => {
    const { stdout } = run([
      "sh",
      "-c",
      "mknod /dev/disk b 254 0 && cat /dev/disk; echo $?; cat /dev/zero | head -c 3 | wc -c",
    ]);
    expect(stdout).toBe("1\n3\n");
  });

  test("binds folders and files, making what they are mounted on; read-only holds", () => {
    writeFileSync(join(base, "file"), "of the host\n");
    const { stdout, status } = run(
      ["sh", "-c", "cat /made/file; ls /folder | grep -c rootfs; echo x > /made/file"],
      (spec) => {
        spec.root!.readonly = false;
        spec.mounts!.push(
          { destination: "/made/file", source: join(base, "file"), type: "bind", options: ["bind", "ro"] },
          { destination: "/folder", source: base, type: "bind", options: ["rbind", "rro", "rprivate"] },
        );
      },
    );
    expect([stdout, status]).toEqual(["of the host\n1\n", 1]);
    expect(readFileSync(join(base, "file"), "utf8")).toBe("of the host\n");
    rmSync(join(rootfs, "made"), { recursive: true });
    rmSync(join(rootfs, "folder"), { recursive: true });
  });

  test("a link in the image leads to the image, never to the host", () => {
    const outside = join(base, "outside");
    mkdirSync(outside, { recursive: true });
    expect(command(["ln", "-sfn", outside, join(rootfs, "link")]).status).toBe(0);
    const { status } = run(["test", "-d", outside], (spec) => {
      spec.root!.readonly = false;
      spec.mounts!.push({ destination: "/link/deep", type: "tmpfs", source: "tmpfs" });
    });
    expect(existsSync(join(outside, "deep"))).toBe(false);
    expect([0, 1]).toContain(status);
    rmSync(join(rootfs, "link"));
    rmSync(join(rootfs, "tmp", base.split("/")[2] ?? ""), { recursive: true, force: true });
  });

  test("makes what lies in a read-only tmpfs before it is read-only, and devices in a read-only /dev", () => {
    const { status, stdout } = run(
      [
        "sh",
        "-c",
        "touch /dev/x; touch /ro/x; cat /ro/in/file; ls /dev/pts/ptmx; echo x >/dev/null && echo ok",
      ],
      (spec) => {
        spec.root!.readonly = false;
        spec.mounts!.find(({ destination }) => destination === "/dev")!.options!.push("ro");
        spec.mounts!.push(
          { destination: "/ro", type: "tmpfs", source: "tmpfs", options: ["ro"] },
          { destination: "/ro/in/file", type: "bind", source: join(rootfs, "noformat"), options: ["bind"] },
        );
      },
    );
    rmSync(join(rootfs, "ro"), { recursive: true });
    expect([status, stdout]).toEqual([0, "no program\n/dev/pts/ptmx\nok\n"]);
  });

  test("binds what is mounted in its root already, by the host's name of it, and never what a link in it names", () => {
    const outside = join(base, "elsewhere");
    mkdirSync(outside);
    writeFileSync(join(outside, "file"), "of the host\n");
    symlinkSync(outside, join(rootfs, "away"));
    const bind = (source: string, destination: string) => ({
      source,
      destination,
      type: "bind",
      options: ["rbind"],
    });
    const { status, stdout } = run(["cat", "/second/file", "/third/file"], (spec) => {
      spec.root!.readonly = false;
      spec.mounts!.push(
        bind(outside, "/first"),
        bind(join(rootfs, "first"), "/second"),
        bind(join(rootfs, "second"), join(rootfs, "third")),
      );
    });
    expect([status, stdout]).toEqual([0, "of the host\nof the host\n"]);
    const { stderr } = run(["true"], (spec) => {
      spec.mounts!.push(bind(join(rootfs, "away/file"), "/tmp"));
    });
    expect(stderr).toContain("no such file or directory");
    for (const name of ["first", "second", "third", "away"])
      rmSync(join(rootfs, name), { recursive: true, force: true });
    rmSync(outside, { recursive: true });
  });

  test("has the scheduler that was asked for, with its flags", () => {
    const scheduled = (flags: string[]) =>
      bundle("one", ["sleep", "1000"], (spec) => {
        spec.process!.scheduler = { policy: "SCHED_BATCH", nice: 19, flags };
      });
    const words = (flags: string[]) => bundles.words("run", "--detach", "--bundle", scheduled(flags), "one");
    const { exitCode } = Bun.spawnSync(words(["SCHED_FLAG_RESET_ON_FORK"]), {
      stdio: ["ignore", "ignore", "ignore"],
    });
    expect(exitCode).toBe(0);
    const { pid } = JSON.parse(tsrunc("state", "one").stdout);
    const { stdout } = command(["chrt", "-p", String(pid)]);
    expect(tsrunc("delete", "--force", "one").status).toBe(0);
    expect(stdout).toContain("SCHED_BATCH|SCHED_RESET_ON_FORK");
    expect(command(words(["NOSUCH"])).stderr).toContain("invalid scheduler flag: NOSUCH");
  });

  test("without a pivot_root it has no procfs of the host's below its root, by which another can be mounted", () => {
    const folder = bundle("one", ["unshare", "-mrpf", "mount", "-t", "proc", "none", "/proc"], (spec) => {
      const all = [...CAPS, "CAP_SETFCAP"];
      spec.process!.capabilities = { bounding: all, effective: all, permitted: all };
      delete spec.linux!.seccomp;
    });
    const before = readFileSync("/proc/self/mountinfo", "utf8");
    expect(tsrunc("run", "--no-pivot", "--bundle", folder, "one")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("ermission denied"),
    });
    // They are the host's as before.
    expect(readFileSync("/proc/self/mountinfo", "utf8")).toBe(before);
  });

  test("a program that its user may execute by a capability alone is executed", () => {
    mkdirSync(join(rootfs, "owned"));
    copyFileSync("/bin/busybox", join(rootfs, "owned/true"));
    chmodSync(join(rootfs, "owned/true"), 0o700);
    const as = (...more: string[]): Result =>
      run(["/owned/true"], (spec) => {
        spec.process!.user = { uid: 7, gid: 8 };
        const caps = [...CAPS, ...more];
        spec.process!.capabilities = {
          bounding: caps,
          effective: caps,
          permitted: caps,
          inheritable: caps,
          ambient: caps,
        };
      });
    expect(as().status).toBe(1);
    expect(as("CAP_DAC_OVERRIDE")).toEqual({ status: 0, stdout: "", stderr: "" });
    rmSync(join(rootfs, "owned"), { recursive: true });
  });

  test("leaves nothing behind", () => {
    run(["true"]);
    expect(tsrunc("list", "--quiet").stdout).toBe("");
    expect(bundles.cgroupsOf("one")).toEqual([]);
  });
});

describe("a failure names the reason in runc's words", () => {
  const failure = (args: string[], change?: (spec: Spec) => void): string => {
    const { status, stderr } = run(args, change);
    expect(status).toBe(1);
    expect(tsrunc("list", "--quiet").stdout).toBe("");
    expect(bundles.cgroupsOf("one")).toEqual([]);
    return stderr;
  };
  const start = "runc run failed: unable to start container process: ";

  test("a command that is not there", () => {
    expect(failure(["nosuch"])).toContain(`${start}exec: \\"nosuch\\": executable file not found in $PATH`);
    expect(failure(["/nosuch"])).toContain(
      `${start}exec: \\"/nosuch\\": stat /nosuch: no such file or directory`,
    );
  });
  test("a command that cannot be executed", () => {
    expect(failure(["/etc/passwd"])).toContain('exec: \\"/etc/passwd\\": permission denied');
    expect(failure(["/etc"])).toContain('exec: \\"/etc\\": is a directory');
    expect(run(["/noformat"])).toMatchObject({ status: 255, stderr: "exec /noformat: exec format error\n" });
  });
  test("a working directory that is a file, and a mount without a source or on the wrong kind", () => {
    expect(failure(["true"], (s) => (s.process!.cwd = "/etc/passwd"))).toContain(
      "mkdir /etc/passwd: not a directory",
    );
    const bind = (source: string) => (s: Spec) =>
      void s.mounts!.push({ destination: "/etc/passwd", source, type: "bind", options: ["bind"] });
    expect(failure(["true"], bind("/nosuch"))).toContain(
      'error mounting \\"/nosuch\\" to rootfs at \\"/etc/passwd\\": no such file or directory',
    );
    expect(failure(["true"], bind("/tmp"))).toContain("not a directory");
  });
  test.each([
    ["{", "unexpected EOF"],
    ["", "EOF"],
    ["null", "process property must not be empty"],
    [
      '{"root":{"path":5}}',
      "json: cannot unmarshal number into Go struct field Root.root.path of type string",
    ],
    [
      '{"root":{"path":"rootfs"},"process":{"cwd":"/","args":"true"},"linux":{"namespaces":[{"type":"mount"}]}}',
      "json: cannot unmarshal string into Go struct field Process.process.args of type []string",
    ],
    [
      '{"root":{"path":"rootfs"},"process":{"cwd":"/","args":["true"]},"linux":{"namespaces":{"type":"mount"}}}',
      "json: cannot unmarshal object into Go struct field Linux.linux.namespaces of type []LinuxNamespace",
    ],
  ])("a config.json with other types: %s", (text, message) => {
    const folder = bundle("malformed", ["true"]);
    writeFileSync(join(folder, "config.json"), text);
    for (const words of [
      ["run", "-b", folder, "malformed"],
      ["explain", folder],
    ]) {
      const { status, stderr } = tsrunc(...words);
      expect(status).toBe(1);
      expect(stderr).toContain(`${message}"`);
    }
  });
  test("an id that would leave the process root", () => {
    expect(failure(["id"], (s) => (s.process!.user = { uid: 2 ** 32 - 1, gid: 0 }))).toContain(
      "uids and gids must be in range 0-2147483647",
    );
  });
  test("a host name without a uts namespace: the host keeps its own", () => {
    const before = command(["hostname"]).stdout;
    const shared = (s: Spec) => {
      s.linux!.namespaces = s.linux!.namespaces!.filter(({ type }) => type !== "uts");
    };
    try {
      expect(failure(["true"], shared)).toContain("unable to set hostname without a private UTS namespace");
      expect(command(["hostname"]).stdout).toBe(before);
    } finally {
      command(["hostname", before.trim()]);
    }
  });
  test("a sysctl that is not on a procfs is not written (CVE-2025-52881)", () => {
    const file = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    const cover = "mount -t tmpfs tmpfs /proc/sys/net && mkdir /proc/sys/net/ipv4";
    const covered = (procfs: string[]) => {
      const folder = bundle("sysctl", ["cat", file], (spec) => {
        spec.linux!.sysctl = { "net.ipv4.ip_unprivileged_port_start": "80" };
        spec.mounts!.find(({ type }) => type === "proc")!.options = procfs;
      });
      const start = bundles.words("run", "--bundle", folder, "sysctl").join(" ");
      const within = ["unshare", "-m", "sh", "-c", `${cover} && echo old >${file}; ${start}; cat ${file}`];
      return { ...command(within), open: () => tsrunc("run", "--bundle", folder, "sysctl") };
    };
    // The container's own procfs is over nothing and under nothing: what lies over the host's does not matter.
    expect(covered([])).toMatchObject({ stdout: "80\nold\n" });
    // One that cannot be written leaves the host's.
    const { stdout, stderr, open } = covered(["ro"]);
    expect(stderr).toContain(`open ${file}: not on a procfs`);
    expect(stdout).toBe("old\n");
    expect(open()).toMatchObject({ status: 0, stdout: "80\n" });
  });
  test("containers that are not there", () => {
    for (const verb of ["state", "start", "kill", "delete"])
      expect(tsrunc(verb, "nosuch").stderr).toContain("container does not exist");
    expect(tsrunc("exec", "nosuch", "true")).toMatchObject({ status: 255 });
    expect(tsrunc("nosuch").status).toBe(3);
  });
});

test("create, start, exec, pause, kill and delete, step by step", async () => {
  const folder = bundle("two", ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"]);
  const state = () => JSON.parse(tsrunc("state", "two").stdout) as { status: string; pid: number };
  // The container inherits the streams: a pipe of ours would stay open as long as it lives.
  const created = Bun.spawnSync(
    [
      program(),
      "--root",
      join(base, "state"),
      "create",
      "--bundle",
      folder,
      "--pid-file",
      join(base, "pid"),
      "two",
    ],
    { stdio: ["ignore", "ignore", "ignore"] },
  );
  expect(created.exitCode).toBe(0);
  expect(state()).toMatchObject({ status: "created", pid: Number(readFileSync(join(base, "pid"), "utf8")) });
  expect(tsrunc("create", "--bundle", folder, "two").stderr).toContain(
    "container with given ID already exists",
  );
  expect(tsrunc("start", "two").status).toBe(0);
  expect(tsrunc("start", "two").stderr).toContain("cannot start an already running container");
  expect(
    tsrunc(
      "exec",
      "--user",
      "7:8",
      "--env",
      "A=b",
      "--cwd",
      "/etc",
      "two",
      "sh",
      "-c",
      "id -u; echo $A; pwd; grep Seccomp: /proc/self/status; exit 4",
    ),
  ).toMatchObject({
    status: 4,
    stdout: "7\nb\n/etc\nSeccomp:\t2\n",
  });
  expect(tsrunc("exec", "two", "nosuch").stderr).toContain(
    "exec failed: unable to start container process: exec: ",
  );
  expect(tsrunc("pause", "two").status).toBe(0);
  expect(state().status).toBe("paused");
  expect(tsrunc("exec", "two", "true").stderr).toContain("cannot exec in a paused container");
  expect(tsrunc("resume", "two").status).toBe(0);
  expect(JSON.parse(tsrunc("ps", "--format", "json", "two").stdout)).toContain(state().pid);
  expect(tsrunc("ps", "--format", "xml", "two")).toMatchObject({ status: 1, stdout: "" });
  writeFileSync(join(base, "process.json"), '{"cwd":"/","args":"true"}');
  expect(tsrunc("exec", "--process", join(base, "process.json"), "two").stderr).toContain(
    "exec failed: json: cannot unmarshal string into Go struct field Process.args of type []string",
  );
  expect(tsrunc("--log", "/nosuch/log", "list")).toMatchObject({ status: 1, stdout: "" });
  expect(tsrunc("delete", "two").stderr).toContain("that is not stopped");
  expect(tsrunc("kill", "two", "TERM").status).toBe(0);
  await until(() => state().status === "stopped");
  expect(tsrunc("kill", "two").stderr).toContain("container not running");
  expect(tsrunc("delete", "two").status).toBe(0);
  expect(tsrunc("delete", "--force", "two").status).toBe(0);
}, 30_000);

describe("under Debian's dockerd", () => {
  let daemon: Dockerd;
  const docker = (...args: string[]): Result => command(["docker", "-H", `unix://${daemon.socket}`, ...args]);
  const OPTIONS = ["--network", "none", "--runtime", "tsrunc"];

  beforeAll(async () => {
    daemon = await new Dockerd().start("--add-runtime", `tsrunc=${program()}`);
    const packed = Bun.spawnSync(["tar", "-C", rootfs, "-c", "."], { maxBuffer: 1 << 28 }).stdout;
    const load = Bun.spawnSync(["docker", "-H", `unix://${daemon.socket}`, "import", "-", "busybox"], {
      stdin: packed,
    });
    expect(load.exitCode).toBe(0);
  }, 60_000);

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  test("attached, with its streams apart and its status", () => {
    expect(
      docker("run", "--rm", ...OPTIONS, "busybox", "sh", "-c", "echo out; echo err >&2; exit 5"),
    ).toEqual({ status: 5, stdout: "out\n", stderr: "err\n" });
  }, 30_000);

  test("with a terminal", () => {
    const { stdout } = command([
      "script",
      "-qec",
      `docker -H unix://${daemon.socket} run --rm -it ${OPTIONS.join(" ")} busybox tty`,
      "/dev/null",
    ]);
    expect(stdout).toContain("/dev/pts/0");
  }, 30_000);

  test("detached, with exec, its limits, a pause and a stop", () => {
    const script = "trap 'exit 9' TERM; while :; do sleep 0.05; done";
    expect(
      docker(
        "run",
        "-d",
        "--name",
        "long",
        ...OPTIONS,
        "-m",
        "64m",
        "--pids-limit",
        "50",
        "busybox",
        "sh",
        "-c",
        script,
      ).status,
    ).toBe(0);
    expect(docker("exec", "-u", "7", "long", "sh", "-c", "id -u; exit 3")).toMatchObject({
      status: 3,
      stdout: "7\n",
    });
    expect(docker("exec", "long", "nosuch").stdout + docker("exec", "long", "nosuch").stderr).toContain(
      "executable file not found in $PATH",
    );
    expect(docker("pause", "long").status).toBe(0);
    expect(docker("unpause", "long").status).toBe(0);
    expect(docker("top", "long").stdout).toContain("trap");
    expect(docker("update", "-m", "80m", "--memory-swap", "160m", "--pids-limit", "40", "long").status).toBe(
      0,
    );
    const { stdout } = docker(
      ...["exec", "long", "sh", "-c"],
      "cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes pids.max pids/pids.max 2>/dev/null",
    );
    expect(stdout).toBe(`${80 << 20}\n40\n`);
    expect(docker("stop", "long").status).toBe(0);
    expect(docker("inspect", "-f", "{{.State.ExitCode}}", "long").stdout).toBe("9\n");
    expect(docker("rm", "long").status).toBe(0);
  }, 60_000);

  test("a failure reaches the client", () => {
    const { status, stderr } = docker("run", "--rm", ...OPTIONS, "busybox", "nosuch");
    expect(status).toBe(127);
    expect(stderr).toContain(
      'OCI runtime create failed: runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH',
    );
  }, 30_000);
});

test("an attached terminal has the size of the caller's from the first moment, and relays both ways", () => {
  const folder = bundle("tty", ["sh", "-c", "stty size; read word; echo got $word; exit 7"], (spec) => {
    spec.process!.terminal = true;
  });
  const words = [program(), "--root", join(base, "state"), "run", "--bundle", folder, "tty"];
  // Python's standard library has a terminal to give; its parent types, and prints what comes.
  const script = `
import fcntl, os, pty, struct, sys, termios
ours, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2): os.dup2(theirs, fd)
    os.execv(sys.argv[1], sys.argv[1:])
os.close(theirs)
seen = b""
typed = False
while True:
    try: data = os.read(ours, 4096)
    except OSError: break
    if not data: break
    seen += data
    if not typed and b"\\n" in seen:
        os.write(ours, b"hello\\r")
        typed = True
sys.stdout.write(seen.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
  const { status, stdout } = command(["timeout", "20", "python3", "-c", script, ...words]);
  expect(stdout.replaceAll("\r", "")).toBe("33 99\nhello\ngot hello\n");
  expect(status).toBe(7);
});

test("--preserve-fds hands on what is open behind the standard streams", () => {
  const folder = bundle("fds", ["sh", "-c", "cat <&3; cat <&4"]);
  writeFileSync(join(base, "three"), "three\n");
  writeFileSync(join(base, "four"), "four\n");
  const call = `exec ${program()} --root ${base}/state run --preserve-fds 2 -b ${folder} fds 3<${base}/three 4<${base}/four`;
  expect(command(["sh", "-c", call])).toMatchObject({ status: 0, stdout: "three\nfour\n" });
});

test("--preserve-fds never hands on what is the runtime's own", () => {
  const folder = bundle("fds", ["ls", "/proc/self/fd"]);
  const call = `exec ${program()} --root ${base}/state run --preserve-fds 3 -b ${folder} fds 3</dev/null`;
  const { status, stdout, stderr } = command(["sh", "-c", call]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toContain("unable to stat preserved-fd 1 (of 3): stat /proc/self/fd/4: no such file");
});

test("a tmpfs has the mode of the folder that it hides, and the kernel's own where none was", () => {
  const tmpfs = (destination: string) => ({ destination, type: "tmpfs", source: "tmpfs" });
  mkdirSync(join(rootfs, "hidden"), { mode: 0o751 });
  const { stdout } = run(["stat", "-c", "%a", "/new/folder", "/hidden"], (spec) => {
    spec.mounts!.push(tmpfs("/new/folder"), tmpfs("/hidden"));
  });
  expect(stdout).toBe("1777\n751\n");
});

test("a tmpfs with tmpcopyup begins with what it hides, links and owners as they are", () => {
  const at = (name: string) => join(rootfs, "begun", name);
  mkdirSync(at("inner"), { recursive: true });
  writeFileSync(at("inner/file"), "x".repeat(100_000));
  chmodSync(at("inner/file"), 0o4750);
  chownSync(at("inner/file"), 7, 8);
  chmodSync(at("inner/file"), 0o4750);
  writeFileSync(at("empty"), "");
  symlinkSync("/etc/passwd", at("link"));
  symlinkSync("begun", join(rootfs, "way"));
  Bun.spawnSync(["mkfifo", at("fifo")]);
  const folder = bundle(
    "copied",
    [
      "sh",
      "-c",
      "cd /begun && find . | sort && stat -c '%a %u %g %s' inner/file && readlink link && df . | tail -1 && rm inner/file",
    ],
    (spec) => {
      spec.mounts!.push({
        destination: "/way",
        type: "tmpfs",
        source: "copied",
        options: ["tmpcopyup", "size=1m"],
      });
    },
  );
  const { status, stdout } = tsrunc("run", "-b", folder, "copied");
  expect([status, stdout.split("\n").slice(0, 8)]).toEqual([
    0,
    [".", "./empty", "./fifo", "./inner", "./inner/file", "./link", "4750 7 8 100000", "/etc/passwd"],
  ]);
  expect(stdout).toContain("copied");
  // Only the copy is gone.
  expect(existsSync(at("inner/file"))).toBe(true);
  rmSync(join(rootfs, "begun"), { recursive: true });
  rmSync(join(rootfs, "way"));
});

test("explain prints the calls of a start, features what there is", () => {
  const folder = bundle("explained", ["true"]);
  const { status, stdout } = tsrunc("explain", folder);
  expect(status).toBe(0);
  expect(stdout).toMatch(/pivot_root.*capset.*seccomp.*execve/s);
  const features = JSON.parse(tsrunc("features").stdout);
  expect(features.linux.seccomp.enabled).toBe(true);
  expect(features.mountOptions).toContain("rbind");
});

test("spec has a cgroup namespace where cgroups are of version 2 alone, as runc's", () => {
  const folder = join(base, "spec");
  mkdirSync(folder);
  expect(tsrunc("spec", "--bundle", folder).status).toBe(0);
  const { linux } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Spec;
  const types = linux!.namespaces!.map(({ type }) => type);
  expect(types.includes("cgroup")).toBe(existsSync("/sys/fs/cgroup/cgroup.controllers"));
});

test("all of a container in the host's pid namespace is killed, after its first process's end, too", async () => {
  const folder = bundle("one", ["sleep", "1000"], (spec) => {
    spec.linux!.namespaces = spec.linux!.namespaces!.filter(({ type }) => type !== "pid");
  });
  const quiet = (...args: string[]) =>
    Bun.spawnSync(bundles.words(...args), { stdio: ["ignore", "ignore", "ignore"] }).exitCode;
  expect(quiet("run", "--detach", "--bundle", folder, "one")).toBe(0);
  expect(quiet("exec", "--detach", "one", "sleep", "1000")).toBe(0);
  process.kill(JSON.parse(tsrunc("state", "one").stdout).pid, 9);
  await until(() => JSON.parse(tsrunc("state", "one").stdout).status === "stopped");
  const left = () => JSON.parse(tsrunc("ps", "--format", "json", "one").stdout) as number[] | null;
  expect(left()).toHaveLength(1);
  expect(tsrunc("kill", "one", "TERM").stderr).toContain("container not running");
  expect(tsrunc("kill", "one", "KILL").status).toBe(0);
  await until(() => left() === null);
  expect(tsrunc("kill", "one", "KILL").stderr).toContain("container not running");
  expect(tsrunc("delete", "one").status).toBe(0);
});

test("list tells of a root that is not there, if it was named", () => {
  const { status, stderr } = bundles.command([program(), "--root", join(base, "nowhere"), "list"]);
  expect([status, existsSync(join(base, "nowhere"))]).toEqual([1, false]);
  expect(stderr).toContain("nowhere: no such file or directory");
});

test("spec --rootless makes a container of one user's own", () => {
  const { status, stdout } = run(["sh", "-c", "cat /proc/self/uid_map; ls /sys"], (spec) => {
    const folder = join(base, "rootless");
    mkdirSync(folder);
    expect(tsrunc("spec", "--rootless", "--bundle", folder).status).toBe(0);
    const { linux, mounts } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Spec;
    spec.linux = { ...linux!, cgroupsPath: spec.linux!.cgroupsPath! };
    spec.mounts = mounts!;
  });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^ +0 +0 +1\n(.*\n)*kernel\n/);
});
