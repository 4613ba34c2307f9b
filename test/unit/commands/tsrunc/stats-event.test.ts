import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { oomKills, parseList, statsOf } from "../../../../src/commands/tsrunc/stats-event.ts";
import type { Cgroup } from "../../../../src/engine/runtime/cgroup-layout.ts";

const path = mkdtempSync(join(tmpdir(), "tsd-events-"));
afterAll(() => rmSync(path, { recursive: true }));
const cgroup: Cgroup = [{ version: 2, controllers: [], mountpoint: tmpdir(), path }];

test("processors are listed as ranges", () => {
  expect(parseList("0-2,5")).toEqual([0, 1, 2, 5]);
  expect(parseList("")).toEqual([]);
});

test("what version 2 says gets version 1's names", async () => {
  const files = {
    "cpu.stat": "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_periods 0\n",
    "cpu.pressure":
      "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.peak": "8192\n",
    "memory.stat": "anon 100\nfile 300\n",
    "memory.events": "low 0\noom 3\noom_kill 2\n",
    "memory.swap.current": "50\n",
    "memory.swap.max": "1000\n",
    "pids.current": "2\n",
    "pids.max": "max\n",
    "io.stat": "8:0 rbytes=1 wbytes=0 rios=3 wios=4 dbytes=0 dios=0\n",
    "hugetlb.2MB.current": "0\n",
    "hugetlb.2MB.rsvd.current": "2097152\n",
    "hugetlb.2MB.events": "max 4\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  const pressure = { avg10: 0, avg60: 0, avg300: 0, total: 0 };
  expect(await statsOf(cgroup)).toMatchObject({
    cpu: {
      usage: { total: 7000, kernel: 3000, user: 4000 },
      psi: { some: { ...pressure, avg10: 1.5, total: 9 }, full: pressure },
    },
    memory: {
      cache: 300,
      usage: { limit: Number.POSITIVE_INFINITY, usage: 4096, max: 8192, failcnt: 0 },
      swap: { usage: 4146 },
      raw: { anon: 100, file: 300 },
    },
    pids: { current: 2 },
    blkio: {
      ioServiceBytesRecursive: [
        { major: 8, op: "Read", value: 1 },
        { major: 8, op: "Write" },
      ],
      ioServicedRecursive: [
        { major: 8, op: "Read", value: 3 },
        { major: 8, op: "Write", value: 4 },
      ],
    },
    hugetlb: { "2MB": { usage: 2097152, failcnt: 4 } },
    network_interfaces: null,
  });
  expect(oomKills(cgroup)).toBe(2);
});
