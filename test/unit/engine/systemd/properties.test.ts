import { describe, expect, test } from "bun:test";
import type { Resources } from "../../../../src/engine/runtime/spec.ts";
import {
  asksForVersion,
  bitsOf,
  deviceProperties,
  type Property,
  resourceProperties,
  roundedResources,
  roundQuota,
  startProperties,
} from "../../../../src/engine/systemd/properties.ts";

const plain = (properties: readonly Property[]) =>
  Object.fromEntries(properties.map(([name, { signature, value }]) => [name, `${signature} ${value}`]));
const of = (resources: Resources, version: 1 | 2 = 2, systemd = 252) =>
  plain(resourceProperties(resources, { version, systemd }));
const INFINITY = `t ${2n ** 64n - 1n}`;

describe("resources as properties", () => {
  const resources: Resources = {
    memory: { limit: 64 << 20, swap: 96 << 20, reservation: 1 << 20 },
    cpu: { shares: 1024, quota: 50_000, period: 100_000, cpus: "0-1", mems: "0" },
    pids: { limit: 50 },
    blockIO: { weight: 10 },
  };

  test("of version 2", () => {
    expect(of(resources)).toEqual({
      MemoryMax: `t ${64 << 20}`,
      MemorySwapMax: `t ${32 << 20}`,
      MemoryLow: `t ${1 << 20}`,
      CPUWeight: "t 100",
      CPUQuotaPeriodUSec: "t 100000",
      CPUQuotaPerSecUSec: "t 500000",
      AllowedCPUs: "ay 3",
      AllowedMemoryNodes: "ay 1",
      TasksMax: "t 50",
      IOWeight: "t 1",
    });
  });

  test("of version 1", () => {
    expect(of(resources, 1)).toEqual({
      MemoryLimit: `t ${64 << 20}`,
      CPUShares: "t 1024",
      CPUQuotaPeriodUSec: "t 100000",
      CPUQuotaPerSecUSec: "t 500000",
      AllowedCPUs: "ay 3",
      AllowedMemoryNodes: "ay 1",
      TasksMax: "t 50",
      BlockIOWeight: "t 10",
    });
  });

  test("without a limit are systemd's infinity, and without a word nothing", () => {
    expect(of({})).toEqual({});
    expect(of({ memory: { limit: -1, swap: -1 }, pids: { limit: -1 }, cpu: { quota: -1 } })).toEqual({
      MemoryMax: INFINITY,
      MemorySwapMax: INFINITY,
      TasksMax: INFINITY,
      CPUQuotaPeriodUSec: "t 100000",
      CPUQuotaPerSecUSec: INFINITY,
    });
    expect(of({ memory: { limit: -1 }, cpu: { period: 50_000 } }, 1)).toEqual({
      MemoryLimit: INFINITY,
      CPUQuotaPeriodUSec: "t 50000",
      CPUQuotaPerSecUSec: INFINITY,
    });
  });

  test("are those of unified, too, which have the last word", () => {
    const unified = {
      "memory.max": "max",
      "memory.high": " 4096\n",
      "cpu.max": "20000 50000",
      "cpuset.cpus": "8",
      "pids.max": "0",
      "hugetlb.2MB.max": "0",
    };
    expect(of({ memory: { limit: 1 << 20 }, unified })).toEqual({
      MemoryMax: INFINITY,
      MemoryHigh: "t 4096",
      CPUQuotaPeriodUSec: "t 50000",
      CPUQuotaPerSecUSec: "t 400000",
      AllowedCPUs: "ay 0,1",
      TasksMax: "t 1",
    });
    const wrong: Record<string, string>[] = [
      { "memory.max": "much" },
      { "cpu.max": "x 1" },
      { "pids.max": "-2" },
    ];
    for (const unified of wrong) expect(() => of({ unified })).toThrow("cannot tell systemd of");
  });

  test("for idle times are known to systemd 252", () => {
    expect(of({ cpu: { idle: 1, shares: 1024 } })).toEqual({ CPUWeight: "t 0" });
    expect(of({ cpu: { idle: 1, shares: 1024 } }, 2, 251)).toEqual({ CPUWeight: "t 100" });
    expect([{ cpu: { idle: 1 } }, { cpu: { idle: 0 } }, {}].map(asksForVersion)).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("for killing all or one are said before the start, to systemd 253", () => {
    const group = { unified: { "memory.oom.group": "1" } };
    expect(plain(startProperties(group, { version: 2, systemd: 253 }))).toEqual({ OOMPolicy: "s kill" });
    expect(startProperties(group, { version: 2, systemd: 252 })).toEqual([]);
  });
});

test("a quota is what systemd makes of it: whole percents, never less", () => {
  expect(roundQuota(50_000, 100_000)).toBe(50_000);
  expect(roundQuota(5, 1000)).toBe(10);
  expect(roundQuota(33_333)).toBe(34_000);
  expect(of({ cpu: { quota: 33_333 } }).CPUQuotaPerSecUSec).toBe("t 340000");
  expect(roundedResources({ cpu: { quota: 33_333, shares: 3 } })).toEqual({
    cpu: { quota: 34_000, shares: 3 },
  });
  expect(roundedResources({ cpu: { quota: -1 } })).toEqual({ cpu: { quota: -1 } });
});

test("processors are bits, the lowest first", () => {
  expect(bitsOf("0")).toEqual([1]);
  expect(bitsOf("0-2, 9,")).toEqual([7, 2]);
  for (const bad of ["3-1", "a", "99999999"]) expect(() => bitsOf(bad)).toThrow("is no list");
});

describe("devices", () => {
  const list = (properties: readonly Property[]) =>
    (properties.findLast(([name]) => name === "DeviceAllow")![1].value as string[][]).map((row) =>
      row.join(" "),
    );

  test("that are allowed are named, those that every container has among them", () => {
    const properties = deviceProperties([
      { allow: false, access: "rwm" },
      { allow: true, type: "b", major: 8, minor: 0, access: "r" },
      { allow: true, type: "c", major: 10, access: "rw" },
      { allow: false, type: "c", major: 10, minor: 5 },
    ]);
    expect(plain(properties.slice(0, 2))).toEqual({ DeviceAllow: "a(ss) ", DevicePolicy: "s strict" });
    expect(list(properties)).toEqual([
      "/dev/block/8:0 r",
      "char-10 rw",
      "char-* m",
      "block-* m",
      ...["1:3", "1:8", "1:7", "5:0", "1:5", "1:9"].map((device) => `/dev/char/${device} rwm`),
      "char-136 rwm",
      "/dev/char/5:2 rwm",
      "/dev/char/10:200 rwm",
    ]);
  });

  test("of a privileged container are none of systemd's business", () => {
    expect(plain(deviceProperties([{ allow: true, access: "rwm" }]))).toEqual({
      DeviceAllow: "a(ss) ",
      DevicePolicy: "s auto",
    });
  });
});
