/** Namespaces that containers share with each other and with the host, by the real client. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { hostname } from "node:os";
import { loadBusybox } from "../support/busybox.ts";
import { Daemon, until } from "../support/daemon.ts";

let daemon: Daemon;
const ids: Record<string, string> = {};
beforeAll(async () => {
  daemon = await new Daemon().start();
  loadBusybox(daemon);
  for (const [name, ...flags] of [
    ["private"],
    ["shares", "--ipc", "shareable", "--shm-size", "8m"],
    ["hosts", "--ipc", "host"],
  ] as const) {
    const made = await daemon.docker(...RUN, "-d", "--name", name, ...flags, "busybox", "sleep", "1000");
    ids[name] = made.stdout.trim();
  }
  const idle = await daemon.docker(
    "create",
    "--network",
    "none",
    "--name",
    "idle",
    "--ipc",
    "shareable",
    "busybox",
  );
  ids.idle = idle.stdout.trim();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const RUN = ["run", "--network", "none"];

/** What a container with these flags prints. */
async function run(flags: string[], command: string): Promise<string> {
  const { stdout, stderr, status } = await daemon.docker(
    ...RUN,
    "--rm",
    ...flags,
    "busybox",
    "sh",
    "-c",
    command,
  );
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

const inside = async (name: string, command: string): Promise<string> =>
  (await daemon.docker("exec", name, "sh", "-c", command)).stdout.trim();

const mounts = (): string[] =>
  readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("shm ") && line.includes(daemon.folder));

describe("--ipc container:NAME", () => {
  test("shares the namespace and the files in /dev/shm, both ways", async () => {
    await inside("shares", "echo one > /dev/shm/a");
    const flags = ["--ipc", "container:shares"];
    const [file, namespace] = (
      await run(flags, "cat /dev/shm/a; readlink /proc/self/ns/ipc; echo two > /dev/shm/b")
    ).split("\n");
    expect(file).toBe("one");
    expect(namespace).toBe(await inside("shares", "readlink /proc/self/ns/ipc"));
    expect(await inside("shares", "cat /dev/shm/b")).toBe("two");
    expect(await inside("shares", "grep ' /dev/shm ' /proc/mounts")).toBe(
      "shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=8192k 0 0",
    );
  });

  test("of one that shares the host's is the host's", async () => {
    expect(await run(["--ipc", "container:hosts"], "readlink /proc/self/ns/ipc")).toBe(
      readlinkSync("/proc/self/ns/ipc"),
    );
  });

  test("keeps what it joined when the other ends, and nothing stays mounted", async () => {
    const before = mounts();
    await daemon.docker(...RUN, "-d", "--name", "giver", "--ipc", "shareable", "busybox", "sleep", "1000");
    await inside("giver", "echo kept > /dev/shm/x");
    await daemon.docker(
      ...RUN,
      "-d",
      "--name",
      "taker",
      "--ipc",
      "container:giver",
      "busybox",
      "sleep",
      "1000",
    );
    expect(mounts()).toHaveLength(before.length + 1);
    await daemon.docker("stop", "-t", "0", "giver");
    expect(mounts()).toEqual(before);
    expect(await inside("taker", "cat /dev/shm/x")).toBe("kept");
    await daemon.docker("start", "giver");
    expect(await inside("giver", "ls /dev/shm")).toBe("");
    await daemon.docker("rm", "-f", "giver", "taker");
    expect(mounts()).toEqual(before);
  });

  test("is swept when container and daemon ended together", async () => {
    const before = mounts();
    await daemon.docker(...RUN, "-d", "--name", "giver", "--ipc", "shareable", "busybox", "sleep", "1000");
    const pid = Number((await daemon.docker("inspect", "-f", "{{.State.Pid}}", "giver")).stdout);
    expect(pid).toBeGreaterThan(1);
    await daemon.stop("SIGKILL");
    process.kill(pid, "SIGKILL");
    expect(mounts()).toHaveLength(before.length + 1);
    await daemon.start();
    await daemon.docker("wait", "giver");
    expect(mounts()).toEqual(before);
    await daemon.docker("rm", "giver");
  }, 30_000);
});

describe("one that cannot be joined is refused as Docker does", () => {
  const refusals: [flags: string[], reason: () => string][] = [
    [
      ["--ipc", "container:private"],
      () =>
        `failed to join IPC namespace: container ${ids.private}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    ],
    [["--ipc", "container:idle"], () => `failed to join IPC namespace: container ${ids.idle} is not running`],
    [["--ipc", "container:nosuch"], () => "No such container: nosuch"],
    [["--pid", "container:idle"], () => `failed to join PID namespace: container ${ids.idle} is not running`],
    [["--pid", "container:nosuch"], () => "No such container: nosuch"],
    [
      ["--network", "container:idle"],
      () => "cannot join network namespace of a non running container: container idle is created",
    ],
    [
      ["--network", "container:nosuch"],
      () => "joining network namespace of container: No such container: nosuch",
    ],
  ];
  for (const [flags, reason] of refusals) {
    test(flags.join(" "), async () => {
      const before = (await daemon.docker("ps", "-aq")).stdout;
      const words = ["run", "--rm", ...(flags[0] === "--network" ? [] : ["--network", "none"]), ...flags];
      const { stderr, status } = await daemon.docker(...words, "busybox", "true");
      expect(stderr).toContain(`docker: Error response from daemon: ${reason()}\n`);
      expect(status).toBe(125);
      expect((await daemon.docker("ps", "-aq")).stdout).toBe(before);
    });
  }
});

describe("--pid container:NAME", () => {
  const joins = ["--pid", "container:shares"];
  // The number in the host's namespace is not its own; its session, its terminal and its status are.
  const leads = '[ "$(cut -d" " -f6 /proc/$$/stat)" = $$ ] && echo leads';

  test("shows the other's processes, and is one of them", async () => {
    expect(await run(joins, "cat /proc/1/cmdline | tr '\\0' ' '")).toBe("sleep 1000");
    expect(await run(joins, leads)).toBe("leads");
  });

  test("has a terminal of its own", async () => {
    expect(await run([...joins, "-t"], `${leads}; echo it >/dev/tty; tty`)).toBe("leads\r\nit\r\n/dev/pts/0");
  });

  test("goes with a limit of memory, a user, and --init, which is for who has a namespace of its own", async () => {
    const flags = [...joins, "--init", "-m", "32m", "-u", "7"];
    expect(await run(flags, "id -u; echo $PPID")).toBe("7\n0");
  });

  test("fails as others do, and leaves nothing with the other", async () => {
    const failed = await daemon.docker(...RUN, "--rm", ...joins, "busybox", "nosuch");
    expect([failed.status, failed.stderr]).toEqual([
      127,
      expect.stringContaining('exec: "nosuch": executable file not found in $PATH'),
    ]);
    const status = await daemon.docker(...RUN, "--rm", ...joins, "busybox", "sh", "-c", "exit 5");
    expect(status.status).toBe(5);
    expect((await daemon.docker("exec", "shares", "nosuch")).status).toBe(127);
    // Nor does a zombie stay, which the other's first process would have to wait for.
    expect(await inside("shares", "ps -o stat | grep -c Z")).toBe("0");
  });

  test("is killed by its own name, and execs come into it", async () => {
    await daemon.docker(...RUN, "-d", "--name", "joined", ...joins, "busybox", "sleep", "1000");
    expect(await inside("joined", "readlink /proc/self/ns/pid")).toBe(
      await inside("shares", "readlink /proc/1/ns/pid"),
    );
    expect((await daemon.docker("rm", "-f", "joined")).status).toBe(0);
    expect(await inside("shares", "ps | grep -c '[s]leep 1000'")).toBe("1");
  });
});

test("--uts host has the host's name", async () => {
  expect(await run(["--uts", "host"], "hostname")).toBe(hostname());
});

test("a container has clocks of its own, and its execs have them too", async () => {
  const own = await inside("private", "readlink /proc/1/ns/time");
  expect(own).not.toBe(readlinkSync("/proc/self/ns/time"));
  expect(await inside("private", "readlink /proc/self/ns/time")).toBe(own);
  expect(await inside("shares", "readlink /proc/self/ns/time")).not.toBe(own);
});

test("--cgroupns private hides where the container is, host shows it", async () => {
  const own = (await run(["--cgroupns", "private"], "cut -d: -f3 /proc/self/cgroup | sort -u")).split("\n");
  expect(own).toEqual(["/"]);
  expect(await run(["--cgroupns", "host"], "cat /proc/self/cgroup")).toMatch(/\/tsd\/[0-9a-f]{64}/);
});

describe("--cgroup-parent", () => {
  const root = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].find((folder) =>
    existsSync(`${folder}/cgroup.procs`),
  )!;
  const top = `tsd-parent-${process.pid}`;
  const run = (name: string, parent: string) =>
    daemon.docker(...RUN, "-d", "--name", name, "--cgroup-parent", parent, "busybox", "sleep", "1000");

  test("is made and goes with the last container in it", async () => {
    await run("first", `/${top}/inner`);
    await run("second", `/${top}`);
    expect(
      existsSync(
        `${root}/${top}/inner/${(await daemon.docker("inspect", "-f", "{{.Id}}", "first")).stdout.trim()}`,
      ),
    ).toBe(true);
    await daemon.docker("rm", "-f", "first");
    await until(() => !existsSync(`${root}/${top}/inner`), "the inner one to go");
    expect(existsSync(`${root}/${top}`)).toBe(true);
    await daemon.docker("rm", "-f", "second");
    await until(() => !existsSync(`${root}/${top}`), "the outer one to go");
  });

  test("that was there stays", async () => {
    mkdirSync(`${root}/${top}`);
    try {
      await run("guest", `/${top}/inner`);
      await daemon.docker("stop", "-t", "0", "guest");
      await until(() => !existsSync(`${root}/${top}/inner`), "the inner one to go");
      expect(existsSync(`${root}/${top}`)).toBe(true);
      await daemon.docker("rm", "guest");
    } finally {
      rmdirSync(`${root}/${top}`);
    }
  });
});
