import { describe, expect, test } from "bun:test";
import {
  type Cgroup,
  cgroupOf,
  detectCgroups,
  folderOf,
  isUnified,
  unifiedFolder,
} from "../../../../src/engine/runtime/cgroup-layout.ts";
import { cpuWeight, limitsV1, limitsV2 } from "../../../../src/engine/runtime/cgroup-limits.ts";
import { createCgroup } from "../../../../src/engine/runtime/cgroup-steps.ts";
import { PlanBuilder } from "../../../../src/engine/runtime/plan.ts";
import type { Data } from "../../../../src/engine/runtime/steps.ts";

const V1 = `30 25 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
35 30 0:27 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct
`;
const OWN_V1 =
  "5:cpu,cpuacct:/user.slice\n4:memory:/docker/abc/x\n1:name=systemd:/user.slice\n0::/user.slice\n";

describe("a hybrid host", () => {
  const layout = detectCgroups(V1, OWN_V1);

  test("has every hierarchy once, with our own place below its mount", () => {
    expect(
      layout.hierarchies.map(({ mountpoint, controllers, own }) => [mountpoint, controllers.join(), own]),
    ).toEqual([
      ["/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct", "/user.slice"],
      ["/sys/fs/cgroup/memory", "memory", "/x"],
      ["/sys/fs/cgroup/systemd", "name=systemd", "/user.slice"],
      ["/sys/fs/cgroup/unified", "", "/user.slice"],
    ]);
    expect(isUnified(layout)).toBe(false);
  });

  test("knows what of a hierarchy it sees", () => {
    const seen = cgroupOf(layout, "/docker/id", "id").map(({ root }) => root);
    expect(seen).toEqual([undefined, "/docker/abc", undefined, undefined]);
  });

  test("puts an absolute path below the root and a relative one below us", () => {
    expect(folderOf(cgroupOf(layout, "/docker/id", "id"), "cpu")?.path).toBe(
      "/sys/fs/cgroup/cpu,cpuacct/docker/id",
    );
    expect(folderOf(cgroupOf(layout, undefined, "id"), "memory")?.path).toBe("/sys/fs/cgroup/memory/x/id");
    expect(folderOf(cgroupOf(layout, "a/../../b", "id"), "memory")?.path).toBe("/sys/fs/cgroup/memory/x/b");
    expect(folderOf(cgroupOf(layout, "/../../etc", "id"), "memory")?.path).toBe("/sys/fs/cgroup/memory/etc");
  });
});

test("a version 2 host has one hierarchy", () => {
  const layout = detectCgroups(
    "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
    "0::/system.slice/tsd.service\n",
  );
  expect(isUnified(layout)).toBe(true);
  expect(unifiedFolder(cgroupOf(layout, "/tsd/id", "id"))?.path).toBe("/sys/fs/cgroup/tsd/id");
});

/** The folders that are made, in order, when those that `missing` names cannot be without the ones above them. */
function made(cgroup: Cgroup, missing: (path: string) => boolean): string[] {
  const builder = new PlanBuilder();
  createCgroup(builder, builder.fd(), cgroup, {});
  const { steps } = builder.build();
  const paths: string[] = [];
  let result = 0;
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at]!;
    if (step.op === "syscall" && step.name === "mkdirat") {
      const path = JSON.parse((step.args[1] as Data).show) as string;
      paths.push(path);
      result = missing(path) && paths.filter((each) => each === path).length === 1 ? -2 : 0;
    } else if (step.op === "jump") {
      const { when } = step;
      if (when === "always" || (typeof when === "object" && when.equals === result)) at = step.to.at - 1;
    }
  }
  return paths;
}

test("a cgroup is made at once, and those above it where one is missing", () => {
  const layout = detectCgroups(V1, OWN_V1);
  const memory = { hierarchies: layout.hierarchies.slice(1, 2) };
  const cgroup = cgroupOf(memory, "/a/b/id", "id");
  const below = (...paths: string[]) => paths.map((path) => `/sys/fs/cgroup/memory${path}`);
  expect(made(cgroup, () => false)).toEqual(below("/a/b/id"));
  expect(made(cgroup, (path) => path.endsWith("/id"))).toEqual(below("/a/b/id", "/a", "/a/b", "/a/b/id"));
});

const RESOURCES = {
  memory: { limit: 64 << 20, swap: 128 << 20, reservation: 1 << 20 },
  cpu: { shares: 1024, quota: 50_000, period: 100_000, cpus: "0" },
  pids: { limit: 50 },
};

test("limits of version 1, memory before memory and swap", () => {
  const files = limitsV1(RESOURCES).map(({ file, value }) => `${file}=${value}`);
  expect(files).toContain("cpu.cfs_quota_us=50000");
  expect(files).toContain("pids.max=50");
  expect(files.indexOf("memory.limit_in_bytes=67108864")).toBeLessThan(
    files.indexOf("memory.memsw.limit_in_bytes=134217728"),
  );
});

test("a burst of 0 is written: it is none", () => {
  const files = [limitsV1({ cpu: { burst: 0 } }), limitsV2({ cpu: { burst: 0 } })];
  expect(files.flat().map(({ file, value }) => `${file}=${value}`)).toEqual([
    "cpu.cfs_burst_us=0",
    "cpu.max.burst=0",
  ]);
});

test("limits of version 2 are written in its own words", () => {
  expect(limitsV2(RESOURCES).map(({ file, value }) => `${file}=${value}`)).toEqual([
    "memory.max=67108864",
    "memory.swap.max=67108864",
    "memory.low=1048576",
    "cpu.weight=100",
    "cpu.max=50000 100000",
    "cpuset.cpus=0",
    "pids.max=50",
  ]);
  expect(
    limitsV2({ memory: { limit: -1, swap: -1 }, pids: { limit: -1 } }).map(({ value }) => value),
  ).toEqual(["max", "max", "max"]);
});

test("a weight is BFQ's, too, in whose range the specification has it", () => {
  const blockIO = { weight: 500, weightDevice: [{ major: 8, minor: 0, weight: 200 }] };
  expect(limitsV1({ blockIO })).toEqual([
    {
      controller: "blkio",
      file: "blkio.weight",
      value: "500",
      bfq: { file: "blkio.bfq.weight", value: "500" },
    },
    {
      controller: "blkio",
      file: "blkio.weight_device",
      value: "8:0 200",
      bfq: { file: "blkio.bfq.weight_device", value: "8:0 200" },
    },
  ]);
  expect(limitsV2({ blockIO })).toEqual([
    {
      controller: "io",
      file: "io.weight",
      value: "default 4950",
      bfq: { file: "io.bfq.weight", value: "500" },
    },
  ]);
});

test("shares become weights at both ends and in the middle", () => {
  expect([2, 1024, 262_144].map(cpuWeight)).toEqual([1, 100, 10_000]);
});
