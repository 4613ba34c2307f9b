/**
 * A firewall in a network namespace of its own, driven line by line: `["putNetwork", {…}]` in, `{"ok":true}` out. So
 * packets can be tried against each backend without a daemon in between.
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { openFirewall } from "../../src/engine/network/firewall/open.ts";
import type { Firewall, FirewallEndpoint, FirewallNetwork } from "../../src/engine/network/types.ts";
import type { Host } from "./hosts.ts";

export interface Driven extends AsyncDisposable {
  readonly warnings: string[];
  putNetwork(network: FirewallNetwork): Promise<void>;
  removeNetwork(id: string): Promise<void>;
  putEndpoint(endpoint: FirewallEndpoint): Promise<void>;
  removeEndpoint(id: string): Promise<void>;
  sync(networks: FirewallNetwork[], endpoints: FirewallEndpoint[]): Promise<void>;
  ask(): Promise<string[]>;
  firewalld(): Promise<{ reloadedAt?: string } | undefined>;
  close(keep: boolean): Promise<void>;
  /** kill -9 */
  kill(): Promise<void>;
}

export interface DriveOptions {
  engineId?: string;
  execRoot: string;
  ipForward?: boolean;
  proxyLoopback?: boolean;
  families?: { four: boolean; six: boolean };
  env?: Record<string, string>;
  /** Words in front of the program. */
  under?: readonly string[];
}

export async function driveFirewall(
  host: Host,
  backend: Firewall["backend"],
  { env, under = [], ...options }: DriveOptions,
): Promise<Driven> {
  const child = Bun.spawn(
    [...host.under, ...under, process.execPath, import.meta.path, backend, JSON.stringify(options)],
    {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...env },
    },
  );
  const warnings: string[] = [];
  const waiting: ((answer: { ok: boolean; message?: string; value?: unknown }) => void)[] = [];
  void (async () => {
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const answer = JSON.parse(line) as { ok: boolean; warn?: string };
        if (answer.warn !== undefined) warnings.push(answer.warn);
        else waiting.shift()?.(answer);
      }
    }
    for (const fail of waiting.splice(0)) fail({ ok: false, message: "the firewall's process ended" });
  })();
  const call = async (...words: unknown[]): Promise<unknown> => {
    const answer = new Promise<{ ok: boolean; message?: string; value?: unknown }>((resolve) =>
      waiting.push(resolve),
    );
    child.stdin.write(`${JSON.stringify(words)}\n`);
    child.stdin.flush();
    const { ok, message, value } = await answer;
    if (!ok) throw new Error(message);
    return value;
  };
  await call("warnings");
  return {
    warnings,
    putNetwork: async (network) => void (await call("putNetwork", network)),
    removeNetwork: async (id) => void (await call("removeNetwork", id)),
    putEndpoint: async (endpoint) => void (await call("putEndpoint", endpoint)),
    removeEndpoint: async (id) => void (await call("removeEndpoint", id)),
    sync: async (networks, endpoints) => void (await call("sync", networks, endpoints)),
    ask: () => call("warnings") as Promise<string[]>,
    firewalld: () => call("firewalld") as ReturnType<Driven["firewalld"]>,
    close: async (keep) => {
      await call("close", keep);
      child.kill(9);
      await child.exited;
    },
    kill: async () => {
      child.kill(9);
      await child.exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill(9);
      await child.exited;
    },
  };
}

/** A folder in which iptables is the old one. */
export function legacyPath(within: string): string {
  const folder = mkdtempSync(join(within, "legacy-"));
  for (const name of ["iptables", "ip6tables"]) {
    for (const what of ["save", "restore"]) {
      Bun.spawnSync(["ln", "-s", `/usr/sbin/${name}-legacy-${what}`, join(folder, `${name}-${what}`)]);
    }
  }
  return folder;
}

if (import.meta.main) {
  const [, , backend, options] = process.argv;
  const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  const firewall: Firewall = await openFirewall(backend as Firewall["backend"], {
    engineId: "f1e2d3c4-0000",
    ipForward: true,
    proxyLoopback: false,
    families: { four: true, six: true },
    ...JSON.parse(options!),
    warn: (message: string) => say({ warn: message }),
  });
  let rest = "";
  for await (const chunk of Bun.stdin.stream().pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const [name, ...args] = JSON.parse(line) as [keyof Firewall, ...unknown[]];
      try {
        const value = await (firewall[name] as (...words: unknown[]) => unknown)(...args);
        say({ ok: true, value });
      } catch (error) {
        say({ ok: false, message: (error as Error).message });
      }
    }
  }
}
