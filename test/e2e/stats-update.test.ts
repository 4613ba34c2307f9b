/** What containers use and how their limits change, by both clients, and as the kernel has it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadBusybox } from "../support/busybox.ts";
import { Daemon, until } from "../support/daemon.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
const UNIFIED = existsSync("/sys/fs/cgroup/cgroup.controllers");

const PIDS = UNIFIED ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";

let daemon: Daemon;
let id: string;
beforeAll(async () => {
  daemon = await new Daemon().start();
  loadBusybox(daemon);
  const limits = ["-m", "64m", "--pids-limit", "50"];
  const busy = ["sh", "-c", "while :; do :; done"];
  const made = await daemon.docker(
    "run",
    "-d",
    "--network",
    "none",
    "--name",
    "busy",
    ...limits,
    "busybox",
    ...busy,
  );
  id = made.stdout.trim();
  await daemon.docker("create", "--network", "none", "--name", "idle", "busybox", "true");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

async function tsd(...words: string[]): Promise<{ stdout: string; stderr: string; status: number }> {
  const child = Bun.spawn([process.execPath, MAIN, "-H", `unix://${daemon.socket}`, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { stdout, stderr, status: await child.exited };
}

/** A limit of the container's, as the kernel has it. */
const limit = (v1: string, v2: string): string =>
  readFileSync(
    UNIFIED
      ? `/sys/fs/cgroup/tsd/${id}/${v2}`
      : `/sys/fs/cgroup/${v1.split(" ")[0]}/tsd/${id}/${v1.split(" ")[1]}`,
    "utf8",
  ).trim();

interface Sample {
  read: string;
  preread: string;
  cpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage?: number; online_cpus?: number };
  precpu_stats: { cpu_usage: { total_usage: number } };
  memory_stats: { usage?: number; limit?: number };
  pids_stats: { current?: number; limit?: number };
}

const sample = async (name: string, query: string): Promise<Sample> =>
  (await daemon.request(`/v1.55/containers/${name}/stats?${query}`)).json() as Promise<Sample>;

describe("statistics", () => {
  test("asked for once have the second before to compare with", async () => {
    const { read, preread, cpu_stats, precpu_stats, memory_stats, pids_stats } = await sample(
      "busy",
      "stream=0",
    );
    expect(Date.parse(read) - Date.parse(preread)).toBeGreaterThanOrEqual(900);
    expect(cpu_stats.cpu_usage.total_usage).toBeGreaterThan(precpu_stats.cpu_usage.total_usage);
    expect(memory_stats.limit).toBe(64 << 20);
    expect(memory_stats.usage).toBeGreaterThan(0);
    expect(pids_stats).toEqual({ current: 1, limit: 50 });
  });

  test("asked for as one shot come at once, and have nothing to compare with", async () => {
    const shot = await sample("busy", "stream=0&one-shot=1");
    expect(shot.preread).toBe("0001-01-01T00:00:00Z");
    expect(shot.precpu_stats.cpu_usage.total_usage).toBe(0);
    expect(shot.cpu_stats.online_cpus).toBe(navigator.hardwareConcurrency);
  });

  test("of a container that does not run are empty", async () => {
    const idle = await sample("idle", "stream=0");
    expect(idle.read).toBe("0001-01-01T00:00:00Z");
    expect(idle.memory_stats).toEqual({});
    expect(idle.pids_stats).toEqual({});
  });

  test("flow until the container is removed", async () => {
    await daemon.docker("run", "-d", "--network", "none", "--name", "short", "busybox", "sleep", "1000");
    const response = await daemon.request("/v1.55/containers/short/stats");
    const lines: Sample[] = [];
    const read = (async () => {
      for await (const chunk of response.body!) {
        for (const line of new TextDecoder().decode(chunk).split("\n").filter(Boolean))
          lines.push(JSON.parse(line));
      }
    })();
    await until(() => lines.length >= 2, "two samples");
    await daemon.docker("rm", "-f", "short");
    await read;
    expect(lines[1]!.preread).toBe(lines[0]!.read);
  }, 20_000);

  test("are shown alike by both clients, once the figures that move are masked", async () => {
    const mask = (text: string) =>
      text
        .replace(/\d+\.\d\d%/g, "N%")
        .replace(/[\d.]+[KM]?i?B \//g, "N /")
        .replace(/ {2,}/g, "  ");
    for (const words of [["busy"], ["-a"], ["busy", "nope"], ["--format", "json", "busy"]]) {
      const [theirs, ours] = [
        await daemon.docker("stats", "--no-stream", ...words),
        await tsd("stats", "--no-stream", ...words),
      ];
      expect({ ...ours, stdout: mask(ours.stdout) }).toEqual({ ...theirs, stdout: mask(theirs.stdout) });
    }
    expect((await daemon.docker("stats", "--no-stream", "busy")).stdout).toMatch(/ busy +\d\d+\.\d\d% /);
  }, 60_000);
});

describe("an update", () => {
  test("reaches the kernel, inspect, and the next start", async () => {
    const words = [
      "-m",
      "100m",
      "--memory-swap",
      "200m",
      "--cpus",
      "0.5",
      "--pids-limit",
      "30",
      "--cpuset-cpus",
      "0",
    ];
    const { stdout, status } = await daemon.docker("update", ...words, "busy");
    expect({ first: stdout.split("\n")[0], status }).toEqual({ first: "busy", status: 0 });
    const check = () => {
      expect(limit("memory memory.limit_in_bytes", "memory.max")).toBe(String(100 << 20));
      expect(limit("cpu cpu.cfs_quota_us", "cpu.max").split(" ")[0]).toBe("50000");
      expect(limit("pids pids.max", "pids.max")).toBe("30");
      expect(limit("cpuset cpuset.cpus", "cpuset.cpus")).toBe("0");
    };
    check();
    const format =
      "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}";
    const inspect = await daemon.docker("inspect", "-f", format, "busy");
    expect(inspect.stdout.trim()).toBe(`${100 << 20} ${200 << 20} 500000000 30`);
    await daemon.docker("restart", "-t", "0", "busy");
    check();
  });

  test("of less is made in the order that the kernel takes", async () => {
    expect((await tsd("update", "-m", "32m", "--memory-swap", "32m", "busy")).status).toBe(0);
    expect(limit("memory memory.limit_in_bytes", "memory.max")).toBe(String(32 << 20));
    expect((await tsd("update", "-m", "300m", "--memory-swap", "300m", "busy")).status).toBe(0);
    expect(limit("memory memory.limit_in_bytes", "memory.max")).toBe(String(300 << 20));
    expect((await tsd("update", "--pids-limit", "-1", "busy")).status).toBe(0);
    expect(limit("pids pids.max", "pids.max")).toBe("max");
  });

  test("that is refused changes nothing, and says why in Docker's words", async () => {
    const before = (await daemon.docker("inspect", "busy")).stdout;
    const refusals: [words: string[], reason: string][] = [
      [
        ["--cpu-quota", "10000"],
        `Cannot update container ${id}: Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set`,
      ],
      [["-m", "1m"], "Minimum memory limit allowed is 6MB"],
      [
        ["-m", "2g"],
        `Cannot update container ${id}: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time`,
      ],
      [
        ["--pids-limit", "99999999999"],
        `Cannot update container ${id}: failed to write "99999999999": write ${PIDS}/tsd/${id}/pids.max: invalid argument`,
      ],
      [["--restart", "always"], "not implemented yet: --restart always"],
      [["--cpu-rt-period", "100000"], "not implemented yet: --cpu-rt-period"],
    ];
    for (const [words, reason] of refusals) {
      for (const run of [tsd, daemon.docker.bind(daemon)]) {
        const { stderr, status } = await run("update", ...words, "busy");
        expect({ stderr: stderr.trim(), status }).toEqual({
          stderr: `Error response from daemon: ${reason}`,
          status: 1,
        });
      }
    }
    expect((await daemon.docker("inspect", "busy")).stdout).toBe(before);
  }, 30_000);
});
