/** tsrunc --systemd-cgroup on a machine that only looks as if systemd ran it; the real one is in test/vm. Needs root, busybox-static, docker.io. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Value } from "../../src/engine/dbus/values.ts";
import { detectCgroups, isUnified } from "../../src/engine/runtime/cgroup-layout.ts";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { Bundles, type Result } from "../support/bundles.ts";
import { writeBusyboxArchive } from "../support/busybox.ts";
import { Dockerd } from "../support/dockerd.ts";
import { FakeSystemd } from "../support/systemd.ts";

const MIB = 1 << 20;
const UNIFIED = isUnified(detectCgroups());
const SLICE = `tsdtest${process.pid}.slice`;
const UNIT = "docker-one.scope";

let bundles: Bundles;
let systemd: FakeSystemd;

/** The fake answers in this process: nothing here may wait by blocking it. */
async function command(under: string[], ...args: string[]): Promise<Result> {
  const words = [...under, ...bundles.words(...args)];
  // A container inherits the streams: a pipe of ours would stay open as long as it lives.
  for (const name of ["stdout", "stderr"]) rmSync(join(bundles.base, name), { force: true });
  const child = Bun.spawn(words, {
    stdin: "ignore",
    stdout: Bun.file(join(bundles.base, "stdout")),
    stderr: Bun.file(join(bundles.base, "stderr")),
  });
  const status = await child.exited;
  const [stdout = "", stderr = ""] = ["stdout", "stderr"].map((name) =>
    readFileSync(join(bundles.base, name), "utf8"),
  );
  return { status, stdout, stderr };
}
const tsrunc = (...args: string[]) => command(systemd.under(), "--systemd-cgroup", ...args);

const bundle = (args: string[], change: (spec: Spec) => void = () => {}): string =>
  bundles.bundle("one", args, (spec) => {
    spec.linux!.cgroupsPath = `${SLICE}:docker:one`;
    change(spec);
  });

const folders = (): string[] =>
  detectCgroups()
    .hierarchies.map(({ mountpoint }) => join(mountpoint, SLICE))
    .filter((path) => existsSync(path));
const scopes = (): string[] =>
  folders().flatMap((path) =>
    readdirSync(path, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : [])),
  );
const file = (v1: string, v2: string): string => {
  const [controller = ""] = v1.split(".");
  const { mountpoint } = detectCgroups().hierarchies.find(
    ({ controllers }) => UNIFIED || controllers.includes(controller),
  )!;
  return readFileSync(join(mountpoint, SLICE, UNIT, UNIFIED ? v2 : v1), "utf8").trim();
};
const propertiesOf = (list: Value | undefined) => Object.fromEntries((list ?? []) as [string, Value][]);

beforeAll(() => {
  bundles = new Bundles();
});
beforeEach(async () => {
  systemd = await FakeSystemd.start();
});
afterEach(async () => {
  await tsrunc("delete", "--force", "one");
  await systemd[Symbol.asyncDispose]();
});
afterAll(() => {
  for (const folder of folders()) rmdirSync(folder);
  bundles.sweep();
});

describe("--systemd-cgroup", () => {
  test("makes a scope that a process of ours holds, with the limits that are written", async () => {
    const folder = bundle(["sleep", "1000"], (spec) => {
      spec.linux!.resources = {
        ...spec.linux!.resources,
        memory: { limit: 64 * MIB },
        cpu: { quota: 33_333, period: 100_000 },
        pids: { limit: 20 },
      };
      spec.annotations = { "org.systemd.property.TimeoutStopSec": "uint64 7" };
    });
    const created = await tsrunc("create", "--bundle", folder, "one");
    expect(created).toEqual({ status: 0, stdout: "", stderr: "" });
    const [started] = systemd.of("StartTransientUnit");
    expect(started!.body.slice(0, 2)).toEqual([UNIT, "replace"]);
    expect(started!.alive.length).toBe(1);
    const told = propertiesOf(started!.body[2]);
    expect(told).toMatchObject({
      Slice: SLICE,
      Delegate: true,
      DefaultDependencies: false,
      TasksAccounting: true,
      [UNIFIED ? "MemoryMax" : "MemoryLimit"]: BigInt(64 * MIB),
      CPUQuotaPerSecUSec: 340_000n,
      TasksMax: 20n,
      DevicePolicy: "strict",
      TimeoutStopUSec: 7_000_000n,
    });
    expect(() => process.kill(started!.alive[0]!, 0)).toThrow();
    const { pid } = JSON.parse((await tsrunc("state", "one")).stdout);
    const paths = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
    expect(paths.filter((line) => !line.endsWith(`:/${SLICE}/${UNIT}`))).toEqual([]);
    expect(file("memory.limit_in_bytes", "memory.max")).toBe(String(64 * MIB));
    expect(file("cpu.cfs_quota_us", "cpu.max").split(" ")[0]).toBe("34000");
    expect((await tsrunc("start", "one")).status).toBe(0);
    expect((await tsrunc("exec", "one", "true")).status).toBe(0);
    expect((await tsrunc("pause", "one")).status).toBe(0);
    expect((await tsrunc("resume", "one")).status).toBe(0);
    expect((await tsrunc("update", "--memory", "80m", "--cpu-quota", "11111", "one")).status).toBe(0);
    const [changed] = systemd.of("SetUnitProperties");
    expect(changed!.body.slice(0, 2)).toEqual([UNIT, true]);
    expect(propertiesOf(changed!.body[2])).toEqual({
      [UNIFIED ? "MemoryMax" : "MemoryLimit"]: BigInt(80 * MIB),
      CPUQuotaPeriodUSec: 100_000n,
      CPUQuotaPerSecUSec: 120_000n,
    });
    expect(file("memory.limit_in_bytes", "memory.max")).toBe(String(80 * MIB));
    expect(file("cpu.cfs_quota_us", "cpu.max").split(" ")[0]).toBe("12000");
    // Whoever forgets a container need not say how it was made.
    expect((await command(systemd.under(), "delete", "--force", "one")).status).toBe(0);
    expect(systemd.of("StopUnit").map(({ body }) => body)).toEqual([[UNIT, "replace"]]);
    expect(scopes()).toEqual([]);
  }, 60_000);

  test("runs to the end, and leaves nothing; a limit of one process is the container's", async () => {
    const folder = bundle(["sh", "-c", "sleep 0.5; (true) || exit 9; exit 5"], (spec) => {
      spec.linux!.resources!.pids = { limit: 1 };
    });
    const { status } = await tsrunc("run", "--bundle", folder, "one");
    expect(status).toBe(2);
    expect(propertiesOf(systemd.of("StartTransientUnit")[0]!.body[2]).TasksMax).toBe(2n);
    expect(propertiesOf(systemd.of("SetUnitProperties")[0]!.body[2])).toEqual({ TasksMax: 1n });
    expect(systemd.of("StopUnit").length).toBe(1);
    expect([scopes(), existsSync(join(bundles.state, "one"))]).toEqual([[], false]);
  }, 30_000);

  test("waits for a unit of that name to be forgotten, and speaks to systemd itself where there is no bus", async () => {
    systemd.results.push("exists", "exists");
    const words = ["--systemd-cgroup", "run", "--bundle", bundle(["echo", "ran"]), "one"];
    expect(await command(systemd.under({ bus: false, own: true }), ...words)).toEqual({
      status: 0,
      stdout: "ran\n",
      stderr: "",
    });
    expect(systemd.of("StartTransientUnit").length).toBe(3);
    expect(systemd.of("ResetFailedUnit")[0]!.body).toEqual([UNIT]);
  }, 30_000);

  test("says why it cannot, and leaves nothing, nor another's unit", async () => {
    const folder = bundle(["true"]);
    const refused = async (result: Promise<Result>, reason: string): Promise<void> => {
      const { status, stderr } = await result;
      expect([status, stderr.includes(reason) ? reason : stderr]).toEqual([1, reason]);
      expect([scopes(), existsSync(join(bundles.state, "one"))]).toEqual([[], false]);
    };
    const words = ["--systemd-cgroup", "run", "--bundle", folder, "one"];
    await refused(
      command(systemd.under({ booted: false }), ...words),
      "runc run failed: systemd not running on this host, cannot use systemd cgroups manager",
    );
    await refused(command(systemd.under({ bus: false }), ...words), "failed to connect to dbus: ");
    systemd.results.push("failed");
    await refused(
      tsrunc("run", "--bundle", folder, "one"),
      `error creating systemd unit \`${UNIT}\`: got \`failed\``,
    );
    systemd.results.push(...Array<string>(20).fill("exists"));
    await refused(
      tsrunc("run", "--bundle", folder, "one"),
      `unable to start unit \\"${UNIT}\\": Unit ${UNIT} was already loaded.`,
    );
    expect(systemd.of("StopUnit")).toEqual([]);
    const slash = bundle(["true"], (spec) => {
      spec.linux!.cgroupsPath = "/a/b";
    });
    await refused(tsrunc("run", "--bundle", slash, "one"), 'of format \\"slice:prefix:name\\"');
    const nosuch = bundle(["nosuch"]);
    await refused(tsrunc("run", "--bundle", nosuch, "one"), "executable file not found in $PATH");
    expect(systemd.of("StopUnit").length).toBe(1);
  }, 60_000);
});

test("below Debian's dockerd with its systemd driver, containers are run, updated, started again and removed", async () => {
  await using dockerd = new Dockerd(systemd.under());
  await dockerd.start(
    ...["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"],
    ...["--exec-opt", "native.cgroupdriver=systemd", "--add-runtime", `tsrunc=${bundles.program}`],
  );
  const docker = async (...args: string[]): Promise<string> => {
    const child = Bun.spawn(["docker", "-H", `unix://${dockerd.socket}`, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const all = await Promise.all([child.stdout, child.stderr].map((stream) => new Response(stream).text()));
    return `${all.join("")}${await child.exited}`;
  };
  const image = join(bundles.base, "busybox.tar");
  writeBusyboxArchive(image);
  expect(await docker("load", "-q", "-i", image)).toEndWith("0");
  const options = ["--runtime", "tsrunc", "--network", "none", "--cgroup-parent", SLICE];
  expect(await docker("run", "--rm", ...options, "busybox", "sh", "-c", "echo ran; exit 5")).toBe("ran\n5");
  expect(systemd.of("StopUnit").length).toBe(1);
  const words = ["run", "-d", "--name", "long", ...options, "-m", "64m", "busybox", "sleep", "1000"];
  const [id = ""] = (await docker(...words)).split("\n");
  const unit = `docker-${id}.scope`;
  const started = () => systemd.of("StartTransientUnit").filter(({ body }) => body[0] === unit);
  const memory = UNIFIED ? "MemoryMax" : "MemoryLimit";
  expect(propertiesOf(started()[0]!.body[2])).toMatchObject({ Slice: SLICE, [memory]: BigInt(64 * MIB) });
  expect(scopes()).toContain(unit);
  expect(await docker("exec", "long", "echo", "in")).toBe("in\n0");
  // It may warn of other things.
  expect(await docker("update", "-m", "80m", "--memory-swap", "160m", "long")).toMatch(/^long\n(.*\n)?0$/);
  expect(propertiesOf(systemd.of("SetUnitProperties")[0]!.body[2])[memory]).toBe(BigInt(80 * MIB));
  expect(await docker("restart", "-t", "0", "long")).toBe("long\n0");
  expect(started().length).toBe(2);
  expect(await docker("rm", "-f", "long")).toBe("long\n0");
  expect(systemd.of("StopUnit").filter(({ body }) => body[0] === unit).length).toBe(2);
  expect(scopes()).toEqual([]);
}, 120_000);
