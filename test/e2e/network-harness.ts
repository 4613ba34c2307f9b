/** A daemon with a host of its own and another host on its lan, driven by the real docker client. */
import { afterAll, beforeAll, expect } from "bun:test";
import { loadBusybox } from "../support/busybox.ts";
import type { Daemon } from "../support/daemon.ts";
import { type Hosts, makeHosts } from "../support/hosts.ts";

export let hosts: Hosts<"engine" | "remote">;
export let daemon: Daemon;
/** Whether the host forwarded before. */
export let forwards: string;

/** For all tests of the file that calls it. */
export function useEngineHost(): void {
  beforeAll(async () => {
    hosts = await makeHosts({ lan: ["engine", "remote"] });
    forwards = await hosts.host.engine.ok("sysctl", "-n", "net.ipv4.ip_forward");
    daemon = await hosts.host.engine.daemon();
    loadBusybox(daemon);
  }, 60_000);

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await hosts[Symbol.asyncDispose]();
  }, 60_000);
}

/** Its output; throws when it fails. */
export async function docker(...words: string[]): Promise<string> {
  const { stdout, stderr, status } = await daemon.docker(...words);
  if (status !== 0) throw new Error(`docker ${words.join(" ")}: ${status}: ${stderr}${daemon.log}`);
  return stdout.trim();
}

/** What it says when it fails. */
export async function failure(...words: string[]): Promise<string> {
  const { stderr, status } = await daemon.docker(...words);
  expect(status).not.toBe(0);
  return stderr.split("\n")[0]!;
}

export const pidOf = (container: string): Promise<string> =>
  docker("inspect", "-f", "{{.State.Pid}}", container);

/** What comes from a port, asked in a host's namespace; empty when nothing does. */
export async function fetchFrom(host: "engine" | "remote", address: string, port: number): Promise<string> {
  const script = `exec 3<>/dev/tcp/${address}/${port} && cat <&3`;
  const { stdout } = await hosts.host[host].run("timeout", "5", "bash", "-c", script);
  return stdout.trim();
}
