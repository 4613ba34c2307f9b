/** tsrunc below podman and conmon: containers, execs and pods. Needs root, podman, busybox-static. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { detectCgroups } from "../../src/engine/runtime/cgroup-layout.ts";
import { Bundles, type Result, until } from "../support/bundles.ts";

setDefaultTimeout(120_000);
let bundles: Bundles;
let folder: string;
/** Cgroups that were there before. */
const had = new Set<string>();

/** With all that it keeps in a folder of ours, and limits that this machine has. */
function podman(...args: string[]): Result {
  const at = (name: string) => join(folder, name);
  const words = [
    ...[
      "podman",
      "--root",
      at("graph"),
      "--runroot",
      at("run"),
      "--tmpdir",
      at("tmp"),
      "--storage-driver=vfs",
    ],
    ...["--runtime", bundles.program, "--cgroup-manager=cgroupfs", ...args],
  ];
  const env = {
    ...process.env,
    CONTAINERS_CONF: at("containers.conf"),
    CONTAINERS_STORAGE_CONF: at("storage.conf"),
  };
  const { exitCode, stdout, stderr } = Bun.spawnSync(words, { env, stdin: "ignore", timeout: 60_000 });
  return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

const NETWORK = ["--network", "none"];
const ran = (stdout: string, status = 0) => ({ status, stdout, stderr: "" });
const inspect = (name: string, field: string) =>
  podman("inspect", name, "--format", `{{${field}}}`).stdout.trim();
const LOOP = "trap 'echo term; exit 5' TERM; echo up; while :; do sleep 0.05; done";

beforeAll(() => {
  for (const { mountpoint } of detectCgroups().hierarchies) {
    const parent = join(mountpoint, "libpod_parent");
    if (existsSync(parent)) had.add(parent);
  }
  bundles = new Bundles({ built: true });
  folder = join(bundles.base, "podman");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "storage.conf"),
    `[storage]\ndriver = "vfs"\ngraphroot = "${join(folder, "graph")}"\nrunroot = "${join(folder, "run")}"\n`,
  );
  writeFileSync(
    join(folder, "containers.conf"),
    '[engine]\nevents_logger = "none"\nlock_type = "file"\nruntime_supports_json = ["tsrunc"]\n' +
      '[containers]\nlog_driver = "k8s-file"\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n',
  );
  mkdirSync(join(bundles.rootfs, "copied/inner"), { recursive: true });
  writeFileSync(join(bundles.rootfs, "copied/inner/file"), "of the image\n");
  chmodSync(join(bundles.rootfs, "copied/inner"), 0o710);
  const archive = join(folder, "busybox.tar");
  expect(Bun.spawnSync(["tar", "-C", bundles.rootfs, "-cf", archive, "."]).exitCode).toBe(0);
  expect(podman("import", "--quiet", archive, "busybox").status).toBe(0);
});

afterAll(() => {
  podman("pod", "rm", "--force", "--time", "0", "--all");
  podman("rm", "--force", "--time", "0", "--all");
  // Its own, with that of conmon below it.
  for (const { mountpoint } of detectCgroups().hierarchies) {
    const parent = join(mountpoint, "libpod_parent");
    if (had.has(parent) || !existsSync(parent)) continue;
    Bun.spawnSync(["find", parent, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
  }
  rmSync(folder, { recursive: true, force: true });
  bundles.sweep();
});

test("run gives streams and statuses back", () => {
  const run = (...args: string[]) => podman("run", "--rm", ...NETWORK, ...args);
  expect(run("busybox", "echo", "hi")).toEqual(ran("hi\n"));
  expect(run("busybox", "sh", "-c", "exit 7").status).toBe(7);
  expect(run("-t", "busybox", "sh", "-c", "[ -t 0 ] && echo tty")).toEqual(ran("tty\r\n"));
  const missing = run("busybox", "nosuch");
  expect([missing.status, missing.stdout]).toEqual([127, ""]);
  expect(missing.stderr).toContain('exec: "nosuch": executable file not found in $PATH');
  const limits = run(
    "-m",
    "64m",
    "--pids-limit",
    "5",
    "--cap-drop",
    "ALL",
    "busybox",
    "grep",
    "CapEff",
    "/proc/self/status",
  );
  expect(limits).toEqual(ran("CapEff:\t0000000000000000\n"));
});

test("a root that cannot be written has folders in memory, which begin as the image's", () => {
  const flags = ["--read-only", "--tmpfs", "/copied", "--user", "7:8"];
  const script =
    "echo x >/tmp/x; echo x 2>/dev/null >/x; cat /copied/inner/file; stat -c %a /copied/inner; stat -f -c %T /copied";
  expect(podman("run", "--rm", ...NETWORK, ...flags, "busybox", "sh", "-c", script).stderr).toContain(
    "Permission denied",
  );
  const seen = podman("run", "--rm", ...NETWORK, ...flags.slice(0, 3), "busybox", "sh", "-c", script);
  expect(seen).toEqual(ran("of the image\n710\ntmpfs\n"));
});

test("a container is entered, paused, stopped, started again, killed and removed", async () => {
  expect(podman("run", "-d", "--name", "one", ...NETWORK, "busybox", "sh", "-c", LOOP).status).toBe(0);
  const logs = () => podman("logs", "one").stdout;
  await until(() => logs() === "up\n");
  expect(inspect("one", ".State.Status")).toBe("running");
  expect(podman("exec", "one", "echo", "in")).toEqual(ran("in\n"));
  expect(podman("exec", "-t", "one", "sh", "-c", "[ -t 1 ] && echo tty")).toEqual(ran("tty\r\n"));
  expect(
    podman("exec", "-u", "5:6", "-w", "/tmp", "-e", "A=b", "one", "sh", "-c", "id -u; pwd; echo $A").stdout,
  ).toBe("5\n/tmp\nb\n");
  expect(podman("exec", "one", "sh", "-c", "exit 9").status).toBe(9);
  expect(podman("exec", "one", "nosuch").status).toBe(127);
  expect(podman("exec", "-d", "one", "sleep", "1000").status).toBe(0);
  expect(podman("top", "one").stdout).toContain("sleep 1000");
  expect(podman("pause", "one").status).toBe(0);
  expect(inspect("one", ".State.Status")).toBe("paused");
  expect(podman("unpause", "one").status).toBe(0);
  expect(podman("stop", "-t", "20", "one").status).toBe(0);
  expect([inspect("one", ".State.Status"), inspect("one", ".State.ExitCode")]).toEqual(["exited", "5"]);
  expect(logs()).toBe("up\nterm\n");
  expect(podman("start", "one").status).toBe(0);
  expect(podman("kill", "one").status).toBe(0);
  await until(() => inspect("one", ".State.Status") === "exited");
  expect(inspect("one", ".State.ExitCode")).toBe("137");
  expect(podman("rm", "one").status).toBe(0);
});

test("containers of a pod share namespaces, and are paused and removed together", () => {
  expect(podman("pod", "create", "--infra=false", "--name", "pod").status).toBe(0);
  const run = (name: string, ...flags: string[]) =>
    podman("run", "-d", "--pod", "pod", "--name", name, ...NETWORK, ...flags, "busybox", "sh", "-c", LOOP)
      .status;
  expect(run("first")).toBe(0);
  expect(run("second", "--pid", "container:first", "--ipc", "container:first")).toBe(0);
  expect(podman("exec", "second", "ps", "-o", "args").stdout.match(/while :/g)).toHaveLength(2);
  expect(podman("pod", "pause", "pod").status).toBe(0);
  expect(inspect("second", ".State.Status")).toBe("paused");
  expect(podman("pod", "unpause", "pod").status).toBe(0);
  expect(podman("pod", "rm", "--force", "--time", "0", "pod").status).toBe(0);
  expect(podman("ps", "-aq").stdout).toBe("");
});
