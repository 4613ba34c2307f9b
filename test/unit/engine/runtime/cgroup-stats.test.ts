import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cgroup } from "../../../../src/engine/runtime/cgroup-layout.ts";
import {
  cgroupUsage,
  parseDeviceUsage,
  parseIoStat,
  systemCpu,
} from "../../../../src/engine/runtime/cgroup-stats.ts";
import { updateCgroup } from "../../../../src/engine/runtime/cgroup-update.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cgroup-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function fill(folder: string, files: Record<string, string>): string {
  const path = join(root, folder);
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

const v1 = (controllers: string, files: Record<string, string>): Cgroup[number] => ({
  version: 1,
  controllers: controllers.split(","),
  mountpoint: root,
  path: fill(controllers, files),
});

const v2 = (files: Record<string, string>): Cgroup => [
  { version: 2, controllers: [], mountpoint: root, path: fill("unified", files) },
];

describe("what a container used", () => {
  test("is read from every version 1 controller", () => {
    const cgroup = [
      v1("cpu,cpuacct", {
        "cpuacct.usage": "134954451\n",
        "cpuacct.stat": "user 8\nsystem 4\n",
        "cpuacct.usage_percpu": "21464493 113489958 \n",
        "cpu.stat": "nr_periods 11\nnr_throttled 2\nthrottled_time 77\n",
      }),
      v1("memory", {
        "memory.usage_in_bytes": "503808\n",
        "memory.max_usage_in_bytes": "4927488\n",
        "memory.limit_in_bytes": "134217728\n",
        "memory.failcnt": "3\n",
        "memory.stat": "cache 16384\ntotal_inactive_file 12\n",
      }),
      v1("pids", { "pids.current": "2\n", "pids.max": "50\n" }),
      v1("blkio", {
        "blkio.bfq.io_serviced_recursive": "Total 0\n",
        "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n",
      }),
    ];
    const usage = cgroupUsage(cgroup);
    expect(usage.cpu).toEqual({
      total: 134954451,
      user: 80_000_000,
      kernel: 40_000_000,
      perCpu: [21464493, 113489958],
      periods: 11,
      throttledPeriods: 2,
      throttledTime: 77,
    });
    expect(usage.memory).toEqual({
      usage: 503808,
      maxUsage: 4927488,
      limit: 134217728,
      failures: 3,
      stat: { cache: 16384, total_inactive_file: 12 },
    });
    expect(usage.pids).toEqual({ current: 2, limit: 50 });
    expect(usage.io?.io_service_bytes_recursive).toEqual([
      { major: 8, minor: 0, op: "Read", value: 4096 },
      { major: 8, minor: 0, op: "Total", value: 4096 },
    ]);
    expect(usage.io?.sectors_recursive).toEqual([]);
  });

  test("is read from the one version 2 folder, where no limit is called max", () => {
    const usage = cgroupUsage(
      v2({
        "cpu.stat":
          "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 1\nthrottled_usec 9\n",
        "memory.current": "4096\n",
        "memory.max": "max\n",
        "memory.events": "low 0\noom 2\noom_kill 1\n",
        "memory.stat": "anon 100\n",
        "pids.current": "1\n",
        "pids.max": "max\n",
        "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2\n",
      }),
    );
    expect(usage.cpu).toMatchObject({ total: 5000, user: 3000, kernel: 2000, throttledTime: 9000 });
    expect(usage.memory).toEqual({
      usage: 4096,
      limit: Number.POSITIVE_INFINITY,
      failures: 2,
      stat: { anon: 100 },
    });
    expect(usage.pids).toEqual({ current: 1, limit: Number.POSITIVE_INFINITY });
    expect(usage.io?.io_service_bytes_recursive).toHaveLength(2);
  });

  test("is nothing when the folders are gone", () => {
    const gone: Cgroup = [{ version: 2, controllers: [], mountpoint: root, path: join(root, "gone") }];
    expect(cgroupUsage(gone)).toEqual({ version: 2, cpu: undefined, memory: undefined, pids: undefined });
  });

  test("of devices is told with and without the operation", () => {
    expect(parseDeviceUsage("8:16 Write 7\n8:16 9\nTotal 16\n")).toEqual([
      { major: 8, minor: 16, op: "Write", value: 7 },
      { major: 8, minor: 16, op: "", value: 9 },
    ]);
    expect(parseIoStat("259:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n253:1 \n")).toEqual([
      { major: 259, minor: 0, op: "read", value: 1 },
      { major: 259, minor: 0, op: "write", value: 2 },
      { major: 253, minor: 1, op: "read", value: 0 },
      { major: 253, minor: 1, op: "write", value: 0 },
    ]);
  });
});

test("the machine's time is that of all processors, without what guests had of it twice", () => {
  const stat = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\nintr 1\n";
  expect(systemCpu(stat)).toEqual({ total: 28 * 10_000_000, online: 2 });
});

describe("an update", () => {
  const MEMORY = { "memory.limit_in_bytes": "100\n", "memory.memsw.limit_in_bytes": "200\n" };
  const read = (file: string): string => readFileSync(join(root, file), "utf8").trim();

  test("writes what it has and leaves the rest", () => {
    const cgroup = [v1("memory", MEMORY), v1("cpu", { "cpu.shares": "1024\n", "cpu.cfs_quota_us": "-1\n" })];
    updateCgroup(cgroup, { memory: { limit: 300, swap: 600 }, cpu: { shares: 5 } });
    expect(["memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes"].map(read)).toEqual([
      "300",
      "600",
    ]);
    expect(["cpu/cpu.shares", "cpu/cpu.cfs_quota_us"].map(read)).toEqual(["5", "-1"]);
  });

  test("writes a weight where BFQ has it, if BFQ has it", () => {
    const blockIO = { weight: 500 };
    updateCgroup([v1("blkio", { "blkio.bfq.weight": "100\n" })], { blockIO });
    expect(read("blkio/blkio.bfq.weight")).toBe("500");
    updateCgroup(v2({ "io.weight": "default 100\n" }), { blockIO });
    expect(read("unified/io.weight")).toBe("default 4950");
    updateCgroup(v2({ "io.weight": "default 100\n", "io.bfq.weight": "100\n" }), { blockIO });
    expect(["io.weight", "io.bfq.weight"].map((file) => read(`unified/${file}`))).toEqual([
      "default 100",
      "500",
    ]);
  });

  test("that fails half-way puts back what was there", () => {
    const cgroup = [v1("memory", MEMORY), v1("pids", {})];
    mkdirSync(join(root, "pids/pids.max"));
    expect(() => updateCgroup(cgroup, { memory: { limit: 50 }, pids: { limit: 5 } })).toThrow(
      `failed to write "5": write ${root}/pids/pids.max: is a directory`,
    );
    expect(read("memory/memory.limit_in_bytes")).toBe("100");
  });

  test("is refused where the kernel would make another number of it, in runc's words", () => {
    const cgroup = [v1("cpu", { "cpu.shares": "1024\n" })];
    const set = (shares: number) => () => updateCgroup(cgroup, { cpu: { shares } });
    expect(set(1)).toThrow("the minimum allowed cpu-shares is 2");
    expect(set(262_145)).toThrow("the maximum allowed cpu-shares is 262144");
    expect(read("cpu/cpu.shares")).toBe("1024");
    set(2)();
    expect(read("cpu/cpu.shares")).toBe("2");
  });

  test("of version 2 has swap without memory, and max for none", () => {
    const cgroup = v2({ "memory.max": "max\n", "memory.swap.max": "max\n", "pids.max": "7\n" });
    updateCgroup(cgroup, { memory: { limit: 100, swap: 150 }, pids: { limit: -1 } });
    expect(["memory.max", "memory.swap.max", "pids.max"].map((file) => read(`unified/${file}`))).toEqual([
      "100",
      "50",
      "max",
    ]);
  });
});
