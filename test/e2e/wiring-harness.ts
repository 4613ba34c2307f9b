/** Wiring without a daemon: in hosts of the test's own, whose links `ip` and `ping` look at. */
import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EndpointRecord, NetworkRecord, SandboxRecord } from "../../src/engine/network/types.ts";
import { NetlinkWiring } from "../../src/engine/network/wiring/wiring.ts";
import { unpinNamespace } from "../../src/ffi/netns.ts";
import { type Hosts, makeHosts } from "../support/hosts.ts";
import { sandboxRecord } from "../support/wiring.ts";

export const OWNER = "tsd 01234567";
export let hosts: Hosts<"engine" | "remote">;
export let folder: string;
let home: Disposable;
export let wiring: NetlinkWiring;

/** For all tests of the file that calls it. */
export function useWiring(): void {
  beforeAll(async () => {
    hosts = await makeHosts({ lan: ["engine", "remote"] });
    folder = mkdtempSync(join(tmpdir(), "wiring-"));
    home = hosts.host.engine.enter();
    wiring = fresh();
  });

  afterAll(async () => {
    for (const path of wiring.sandboxes()) unpinNamespace(path);
    await Promise.all(wiring.links().map((link) => wiring.removeLink(link)));
    home[Symbol.dispose]();
    await hosts[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });
}

/** Of a daemon that has just started, and knows nothing. */
export const fresh = (): NetlinkWiring =>
  new NetlinkWiring({
    execRoot: folder,
    owner: OWNER,
    warn: (message) => {
      throw new Error(message);
    },
  });

export const run = async (words: string[]): Promise<{ output: string; status: number }> => {
  const child = Bun.spawn(words, { stdio: ["ignore", "pipe", "pipe"] });
  const output = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  return { output: output.trim(), status: await child.exited };
};
export const inside = (sandbox: SandboxRecord, ...words: string[]) =>
  run(["nsenter", `--net=${sandbox.path}`, ...words]);

export interface IpLink {
  ifname: string;
  mtu: number;
  address: string;
  master?: string;
  ifalias?: string;
  flags: string[];
  operstate: string;
  linkinfo?: { info_kind: string; info_data?: Record<string, unknown> };
  addr_info: { local: string; prefixlen: number; broadcast?: string; scope: string; nodad?: boolean }[];
}

export const links = async (sandbox?: SandboxRecord): Promise<Record<string, IpLink>> => {
  const words = ["ip", "-j", "-d", "addr"];
  const { output } = await (sandbox ? inside(sandbox, ...words) : run(words));
  return Object.fromEntries((JSON.parse(output) as IpLink[]).map((link) => [link.ifname, link]));
};
export const addresses = (link: IpLink | undefined): string[] =>
  (link?.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
export const PING = ["busybox", "ping", "-c1", "-W1"];
/** With the first packet, unless `tries` says. */
export const ping = async (sandbox: SandboxRecord, address: string, tries = 1): Promise<boolean> =>
  (await inside(sandbox, ...PING, address)).status === 0 || (tries > 1 && ping(sandbox, address, tries - 1));

/** A sandbox with one endpoint, and what takes it away. */
export async function container(
  name: string,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): Promise<SandboxRecord & AsyncDisposable> {
  const sandbox = sandboxRecord(folder, name);
  await wiring.createSandbox(sandbox);
  await wiring.attach(sandbox, network, endpoint);
  await wiring.setDefaultRoutes(sandbox, {
    ...(endpoint.default4 && { four: endpoint }),
    ...(endpoint.default6 && { six: endpoint }),
  });
  return { ...sandbox, [Symbol.asyncDispose]: () => wiring.removeSandbox(sandbox, [endpoint]) };
}

export async function made(network: NetworkRecord): Promise<NetworkRecord & AsyncDisposable> {
  await wiring.createNetwork(network);
  return { ...network, [Symbol.asyncDispose]: () => wiring.removeNetwork(network) };
}
