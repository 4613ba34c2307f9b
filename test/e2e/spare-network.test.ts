/** The network namespace that the shim makes ahead of the next container. Needs root. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { until } from "../support/daemon.ts";
import { Stack } from "../support/stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start();
}, 30_000);
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
}, 30_000);

const run = (name: string, network: string): Promise<string> =>
  stack.ok("run", "-d", "--name", name, "--network", network, "busybox", "sleep", "1000");

const networkOf = (pid: number | "self"): string => readlinkSync(`/proc/${pid}/ns/net`);

/** What the shim has open of network namespaces. */
function ahead(): string[] {
  const folder = `/proc/${stack.shimPid()}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      const target = readlinkSync(`${folder}/${fd}`);
      return target.startsWith("net:") ? [target] : [];
    } catch {
      return [];
    }
  });
}

test("is the next container's, nobody else's, and has lo alone, as one that was made for it", async () => {
  const look = "ls /sys/class/net; ip -o addr; cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
  const networks = [networkOf("self")];
  const looks: string[] = [];
  for (let n = 0; n < 6; n++) {
    // Some find one, some come too early.
    if (n % 2 === 0) await until(() => n === 0 || ahead().length === 1, "a namespace made ahead");
    const [spare] = n === 0 ? [] : ahead();
    await run(`c${n}`, "none");
    networks.push(networkOf(await stack.pid(`c${n}`)));
    if (spare !== undefined) expect(networks.at(-1)).toBe(spare);
    looks.push(await stack.ok("exec", `c${n}`, "sh", "-c", look));
  }
  expect(new Set(networks).size).toBe(7);
  expect(looks[0]?.split("\n")).toEqual([
    "lo",
    expect.stringMatching(/^1: lo +inet 127\.0\.0\.1\/8 /),
    expect.stringMatching(/^1: lo +inet6 ::1\/128 /),
    "0",
  ]);
  expect(new Set(looks).size).toBe(1);
}, 30_000);

test("is not for a container that has the host's or another's", async () => {
  await run("private", "none");
  await until(() => ahead().length === 1, "a namespace made ahead");
  const [spare] = ahead();
  await run("host", "host");
  await run("other", "container:private");
  expect(networkOf(await stack.pid("host"))).toBe(networkOf("self"));
  expect(networkOf(await stack.pid("other"))).toBe(networkOf(await stack.pid("private")));
  expect(ahead()).toEqual([spare!]);
}, 30_000);

test("is let go, and with it what it had of the host, when no container comes for it", async () => {
  await until(() => ahead().length === 1, "a namespace made ahead");
  await until(() => ahead().length === 0, "it to be let go");
}, 30_000);
