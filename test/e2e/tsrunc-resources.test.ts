/** What a container may use and what it uses, by tsrunc: update, events, ps. Needs root, busybox-static, runc. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Cgroup } from "../../src/engine/runtime/cgroup-layout.ts";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { Bundles, type Result, until } from "../support/bundles.ts";

const MIB = 1 << 20;
const UNIFIED = existsSync("/sys/fs/cgroup/cgroup.controllers");

let bundles: Bundles;
const tsrunc = (...args: string[]): Result => bundles.tsrunc(...args);
const cgroup = (id: string): Cgroup =>
  JSON.parse(readFileSync(join(bundles.state, id, "state.json"), "utf8")).cgroup;

/** Starts `one`, which inherits no stream of ours. */
function start(args: string[], change?: (spec: Spec) => void): void {
  const words = bundles.words("run", "--detach", "--bundle", bundles.bundle("one", args, change), "one");
  expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
}

const cpuFolder = (): string => cgroup("one").find(({ controllers }) => controllers.includes("cpu"))!.path;

/** A file of the container's cgroup: `memory.limit_in_bytes`, or what it is in version 2. */
function limit(v1: string, v2: string): string {
  const controller = v1.split(".")[0]!;
  const folder = cgroup("one").find(({ controllers }) => UNIFIED || controllers.includes(controller))!;
  return readFileSync(join(folder.path, UNIFIED ? v2 : v1), "utf8").trim();
}

beforeAll(() => {
  bundles = new Bundles();
});
afterEach(() => {
  tsrunc("delete", "--force", "one");
});
afterAll(() => bundles.sweep());

const memory = () => limit("memory.limit_in_bytes", "memory.max");

describe("update", () => {
  const limited = (spec: Spec): void => {
    spec.linux!.resources!.memory = { limit: 64 * MIB };
    spec.linux!.resources!.cpu = { quota: 20_000, period: 50_000 };
  };

  test("by flags changes what they say, and keeps the rest for the next time", () => {
    start(["sleep", "1000"], limited);
    expect(tsrunc("update", "--memory", "80m", "--pids-limit", "9", "one")).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
    expect([memory(), limit("pids.max", "pids.max")]).toEqual([String(80 * MIB), "9"]);
    expect(tsrunc("update", "--cpu-quota=30000", "one").status).toBe(0);
    expect(tsrunc("update", "--cpu-share", "512", "one").status).toBe(0);
    expect(limit("cpu.cfs_quota_us", "cpu.max")).toBe(UNIFIED ? "30000 50000" : "30000");
    expect(limit("cpu.shares", "cpu.weight")).toBe(UNIFIED ? "59" : "512");
    expect(memory()).toBe(String(80 * MIB));
    expect(tsrunc("update", "--pids-limit", "-1", "one").status).toBe(0);
    expect(limit("pids.max", "pids.max")).toBe("max");
  }, 30_000);

  test("takes a burst away again, and gives less of a shorter real-time period than there was of the longer", () => {
    start(["sleep", "1000"], limited);
    if (!UNIFIED && !existsSync(join(cpuFolder(), "cpu.cfs_burst_us"))) return;
    for (const burst of ["10000", "0"]) {
      expect(tsrunc("update", "--cpu-burst", burst, "one").status).toBe(0);
      expect(limit("cpu.cfs_burst_us", "cpu.max.burst")).toBe(burst);
    }
    if (UNIFIED || !existsSync(join(cpuFolder(), "cpu.rt_period_us"))) return;
    writeFileSync(join(dirname(cpuFolder()), "cpu.rt_runtime_us"), "500000");
    for (const [period, runtime] of [
      ["900001", "400001"],
      ["10000", "3000"],
    ] as const) {
      const to = ["--cpu-rt-period", period, "--cpu-rt-runtime", runtime];
      expect(tsrunc("update", ...to, "one")).toMatchObject({ status: 0, stderr: "" });
      expect(["cpu.rt_period_us", "cpu.rt_runtime_us"].map((file) => limit(file, ""))).toEqual([
        period,
        runtime,
      ]);
    }
  });

  test("by a document, from a file or the standard input", () => {
    start(["sleep", "1000"], limited);
    const file = join(bundles.base, "resources.json");
    writeFileSync(file, JSON.stringify({ memory: { limit: 70 * MIB }, blockIO: { weight: 0 } }));
    expect(tsrunc("update", "--resources", file, "one").status).toBe(0);
    expect(memory()).toBe(String(70 * MIB));
    const stdin = new TextEncoder().encode(JSON.stringify({ memory: { limit: 60 * MIB } }));
    const words = bundles.words("update", "-r", "-", "one");
    expect(Bun.spawnSync(words, { stdin, stdout: "ignore", stderr: "ignore" }).exitCode).toBe(0);
    expect(memory()).toBe(String(60 * MIB));
    writeFileSync(file, '{"memory":{"limit":"1"}}');
    expect(tsrunc("update", "-r", file, "one").stderr).toContain(
      "json: cannot unmarshal string into Go struct",
    );
  }, 30_000);

  test("that the kernel refuses changes nothing, and says why in runc's words", () => {
    start(["sleep", "1000"], limited);
    const refused = tsrunc("update", "--memory", "90m", "--cpu-quota", "5", "one");
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(
      /failed to write .*"5[^"]*": write .*cpu\.(cfs_quota_us|max): invalid argument/,
    );
    expect(memory()).toBe(String(64 * MIB));
    if (!UNIFIED)
      expect(tsrunc("update", "--memory", "1", "one").stderr).toMatch(
        /unable to set memory limit to 1 \(current usage: \d+, peak usage: \d+\)/,
      );
    expect(tsrunc("update", "--memory", "1x", "one")).toMatchObject({ status: 1 });
    expect(tsrunc("update", "--pids-limit", "few", "one").stderr).toContain(
      'invalid value \\"few\\" for flag -pids-limit: parse error',
    );
  }, 30_000);

  test("is for a container that runs", async () => {
    start(["true"]);
    await until(() => JSON.parse(tsrunc("state", "one").stdout).status === "stopped");
    expect(tsrunc("update", "--memory", "80m", "one").stderr).toContain("container not running");
    expect(tsrunc("update", "--memory", "80m", "two").stderr).toContain("container does not exist");
  }, 30_000);
});

/** The names in a document, with their path. */
function names(of: unknown, path = ""): string[] {
  if (typeof of !== "object" || of === null || Array.isArray(of)) return [path];
  const inside = Object.entries(of);
  return inside.length === 0 ? [path] : inside.flatMap(([key, value]) => names(value, `${path}.${key}`));
}

describe("events", () => {
  test.if(!UNIFIED)(
    "--stats has the names that Debian's runc has",
    () => {
      start(["sleep", "1000"], (spec) => {
        spec.linux!.resources!.pids = { limit: 50 };
      });
      const root = join(bundles.base, "runc");
      const folder = bundles.bundle("peer", ["sleep", "1000"], (spec) => {
        spec.linux!.resources!.pids = { limit: 50 };
        delete spec.linux!.seccomp;
      });
      const runc = (...args: string[]) => ["runc", "--root", root, ...args];
      const run = Bun.spawnSync(runc("run", "--detach", "--bundle", folder, "peer"), {
        stdio: ["ignore", "ignore", "ignore"],
      });
      expect(run.exitCode).toBe(0);
      try {
        // What is zero is left out, and memory that is kept for files may be.
        const sure = ({ stdout }: Result) =>
          names(JSON.parse(stdout))
            .filter((name) => !/memory\.cache|\.(usage|max)$|\.blkio/.test(name))
            .sort();
        const theirs = sure(bundles.command(runc("events", "--stats", "peer")));
        expect(theirs.length).toBeGreaterThan(40);
        expect(sure(tsrunc("events", "--stats", "one"))).toEqual(theirs);
      } finally {
        bundles.command(runc("delete", "--force", "peer"));
      }
    },
    30_000,
  );

  test("--stats has what the cgroup says, to the last digit", () => {
    start(["sleep", "1000"], (spec) => {
      spec.linux!.resources!.pids = { limit: 50 };
    });
    const { status, stdout } = tsrunc("events", "--stats", "one");
    expect(status).toBe(0);
    const { type, id, data } = JSON.parse(stdout);
    expect({ type, id, pids: data.pids }).toEqual({
      type: "stats",
      id: "one",
      pids: { current: 1, limit: 50 },
    });
    expect(data.cpu.usage.total).toBeGreaterThan(0);
    expect(data.memory.usage.usage).toBeGreaterThan(0);
    const unlimited = memory();
    expect(stdout).toContain(`"limit":${unlimited === "max" ? "18446744073709551615" : unlimited}`);
    expect(tsrunc("events", "--interval", "0s", "one").stderr).toContain("must be greater than 0");
    expect(tsrunc("events", "--interval", "often", "one").status).toBe(1);
  }, 30_000);

  test("come until the container ends, with each time that memory ran out", async () => {
    const greedy = "while :; do (x=a; while :; do x=$x$x; done); sleep 0.1; done";
    start(["sh", "-c", greedy], (spec) => {
      spec.linux!.resources!.memory = { limit: 12 * MIB, swap: 12 * MIB };
    });
    const words = bundles.words("events", "--interval", "200ms", "one");
    const child = Bun.spawn(words, { stdio: ["ignore", "pipe", "inherit"] });
    const seen = new Set<string>();
    let text = "";
    for await (const bytes of child.stdout) {
      text += new TextDecoder().decode(bytes);
      for (const [, type] of text.matchAll(/^\{"type":"(\w+)","id":"one".*\}$/gm)) seen.add(type!);
      if (seen.size === 2) tsrunc("kill", "one", "KILL");
    }
    expect([...seen].sort()).toEqual(["oom", "stats"]);
    expect(await child.exited).toBe(0);
    expect(tsrunc("events", "one").stderr).toContain("container with id one is not running");
  }, 60_000);
});

test("a block device's weight is written where BFQ has it, if BFQ has it", () => {
  start(["sleep", "1000"], (spec) => {
    spec.linux!.resources!.blockIO = { weight: 300 };
  });
  const weight = (): string => {
    const bfq = limit("blkio.bfq.weight", "io.bfq.weight");
    return bfq.replace(/^default /, "");
  };
  expect(weight()).toBe("300");
  expect(tsrunc("update", "--blkio-weight", "400", "one").status).toBe(0);
  expect(weight()).toBe("400");
}, 30_000);

describe("a container whose cgroup hands controllers down", () => {
  /** Those of version 2. Beside version 1 they are what that has left. */
  const root = UNIFIED ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
  const controller = UNIFIED ? "pids" : "hugetlb";
  const handDown = (folder: string, sign: "+" | "-") =>
    writeFileSync(join(folder, "cgroup.subtree_control"), sign + controller);
  const own = () => cgroup("one").find(({ version }) => version === 2)!.path;
  const first = (): number => JSON.parse(tsrunc("state", "one").stdout).pid;
  const put = (pid: number, folder: string) => writeFileSync(join(folder, "cgroup.procs"), String(pid));
  const had = readFileSync(join(root, "cgroup.subtree_control"), "utf8").includes(controller);
  const made: string[] = [];
  let parent: string;
  const make = (folder: string): string => {
    mkdirSync(folder);
    made.unshift(folder);
    return folder;
  };

  beforeEach(() => {
    // With the host's cgroup namespace, in which a process can tell where it is.
    start(["sleep", "1000"], (spec) => {
      spec.linux!.namespaces = spec.linux!.namespaces!.filter(({ type }) => type !== "cgroup");
    });
    parent = dirname(own());
    for (const folder of [root, parent]) handDown(folder, "+");
  });
  afterEach(() => {
    tsrunc("delete", "--force", "one");
    for (const folder of made.splice(0)) if (existsSync(folder)) rmdirSync(folder);
    handDown(parent, "-");
    if (!had) handDown(root, "-");
  });

  const where = () => tsrunc("exec", "one", "sed", "-n", "s/^0:://p", "/proc/self/cgroup");

  test("has its execs where its first process is", () => {
    const inner = make(join(own(), "init scope"));
    const deep = make(join(inner, "deep"));
    const seen = (folder: string) => ({ status: 0, stdout: `${folder.slice(root.length)}\n`, stderr: "" });
    expect(where()).toEqual(seen(own()));
    put(first(), inner);
    handDown(own(), "+");
    expect(where()).toEqual(seen(inner));
    put(first(), deep);
    handDown(inner, "+");
    expect(where()).toEqual(seen(deep));
  }, 30_000);

  test("has none where its first process is in no cgroup of the container's", async () => {
    put(first(), make(`${own()}r`));
    handDown(own(), "+");
    // With processes below it, whichever the controller is.
    const child = Bun.spawn(["sleep", "1000"]);
    try {
      put(child.pid, make(join(own(), "inner")));
      expect(where()).toMatchObject({ status: 255, stdout: "" });
      expect(where().stderr).toContain(`find a cgroup of process ${first()} below ${own()}: no such file`);
    } finally {
      child.kill(9);
      await child.exited;
    }
  }, 30_000);
});

describe("a container whose limit of processes is reached", () => {
  const single = (spec: Spec): void => {
    spec.linux!.resources!.pids = { limit: 1 };
    spec.linux!.namespaces = spec.linux!.namespaces!.filter(({ type }) => type !== "cgroup");
  };
  const paths = () => cgroup("one").map(({ mountpoint, path }) => path.slice(mountpoint.length));
  /** Of the lines of /proc/self/cgroup. */
  const seen = (lines: string) =>
    lines
      .trim()
      .split("\n")
      .map((line) => line.slice(line.lastIndexOf(":") + 1));

  beforeEach(() => start(["sleep", "1000"], single));

  test("has execs, which are in all of its cgroups and cannot fork", () => {
    for (let n = 0; n < 5; n++) {
      const { status, stdout, stderr } = tsrunc("exec", "one", "sh", "-c", "cat /proc/self/cgroup; exit 3");
      expect([status, stdout, stderr]).toEqual([2, "", "sh: can't fork: Resource temporarily unavailable\n"]);
    }
    const { status, stdout } = tsrunc("exec", "one", "cat", "/proc/self/cgroup");
    expect(status).toBe(0);
    expect([...new Set(seen(stdout))]).toEqual([...new Set(paths())]);
    expect(tsrunc("exec", "one", "sh", "-c", "exit 3").status).toBe(3);
    expect(tsrunc("exec", "one", "nothing")).toMatchObject({ status: 255, stdout: "" });
    expect(tsrunc("exec", "one", "nothing").stderr).toContain("executable file not found in $PATH");
    expect(limit("pids.max", "pids.max")).toBe("1");
  }, 30_000);

  test("is one that a limit of no process makes, too", () => {
    tsrunc("delete", "one", "--force");
    const pids = (to: number) => (spec: Spec) => {
      spec.linux!.resources!.pids = { limit: to };
    };
    start(["sleep", "1000"], pids(0));
    expect(limit("pids.max", "pids.max")).toBe("1");
    expect(tsrunc("update", "one", "--pids-limit", "7").status).toBe(0);
    expect(limit("pids.max", "pids.max")).toBe("7");
    expect(tsrunc("update", "--pids-limit", "0", "one").status).toBe(0);
    expect(limit("pids.max", "pids.max")).toBe("1");
  });

  test("has detached ones and ones with a terminal", async () => {
    const words = bundles.words("exec", "--detach", "one", "sleep", "1000");
    expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
    expect(tsrunc("exec", "--tty", "one", "sh", "-c", "[ -t 0 ] && echo tty").stdout).toBe("tty\n");
    const list = JSON.parse(tsrunc("ps", "--format", "json", "one").stdout) as number[];
    expect(list).toHaveLength(2);
    for (const pid of list) expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^TracerPid:\t0$/m);
  }, 30_000);

  test("has others in its pid namespace, whose limit is of one process as well", () => {
    const path = `/proc/${JSON.parse(tsrunc("state", "one").stdout).pid}/ns/pid`;
    const beside = (command: string) => {
      const folder = bundles.bundle("beside", ["sh", "-c", command], (spec) => {
        single(spec);
        spec.linux!.namespaces = spec.linux!.namespaces!.map((each) =>
          each.type === "pid" ? { type: "pid", path } : each,
        );
      });
      return tsrunc("run", "--bundle", folder, "beside");
    };
    expect(beside("exec cat /proc/1/cmdline")).toEqual({ status: 0, stdout: "sleep\x001000\0", stderr: "" });
    const refused = beside("true | true; exit 3");
    expect([refused.status, refused.stderr]).toEqual([
      2,
      "sh: can't fork: Resource temporarily unavailable\n",
    ]);
    expect(bundles.cgroupsOf("beside")).toEqual([]);
  }, 30_000);
});

test("an exec joins cgroups that the container has made below its own, where it is told to", () => {
  start(["sleep", "1000"], (spec) => {
    spec.linux!.namespaces = spec.linux!.namespaces!.filter(({ type }) => type !== "cgroup");
  });
  const { mountpoint, path } = cgroup("one").find(
    ({ controllers }) => UNIFIED || controllers.includes("pids"),
  )!;
  mkdirSync(join(path, "inner"));
  const to = (name: string) => (UNIFIED ? name : `pids:${name}`);
  const exec = (where: string): Result =>
    tsrunc("exec", "--cgroup", where, "one", "cat", "/proc/self/cgroup");
  expect(exec(to("inner")).stdout).toContain(`:${path.slice(mountpoint.length)}/inner\n`);
  expect(exec("/").stdout).toContain(`:${path.slice(mountpoint.length)}\n`);
  expect(exec(to(".."))).toMatchObject({ status: 255, stdout: "" });
  expect(exec(to("other")).stderr).toContain("other/cgroup.procs: no such file or directory");
  rmdirSync(join(path, "inner"));
});

test("ps tells of the processes in cgroups that the container has made, too", async () => {
  start(["sh", "-c", "sleep 1000 & wait"]);
  const list = () => JSON.parse(tsrunc("ps", "--format", "json", "one").stdout) as number[];
  await until(() => list().length === 2);
  const before = list().sort();
  const inner = join(cgroup("one")[0]!.path, "inner");
  mkdirSync(inner);
  try {
    if (!UNIFIED && existsSync(join(inner, "cpuset.cpus")))
      for (const file of ["cpuset.cpus", "cpuset.mems"])
        writeFileSync(join(inner, file), readFileSync(join(inner, "..", file)));
    writeFileSync(join(inner, "cgroup.procs"), String(before[1]));
    expect(list().sort()).toEqual(before);
    expect(tsrunc("ps", "one", "-Q")).toMatchObject({ status: 1, stdout: "" });
  } finally {
    tsrunc("kill", "--all", "one", "KILL");
    tsrunc("delete", "--force", "one");
    if (existsSync(inner)) rmdirSync(inner);
  }
}, 30_000);
