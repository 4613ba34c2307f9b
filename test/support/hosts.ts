/**
 * Several hosts on one machine: network namespaces with names, joined by switches (bridges in namespaces of their own),
 * each with an IPv4 and an IPv6 address on every lan that it is in. The machine's own network is not touched, and a
 * daemon started in a host has that host's links, routes, firewall and /proc/sys/net for its own.
 */
import { check, closeFd, sys } from "../../src/ffi/libc.ts";
import { openNamespace } from "../../src/ffi/netns.ts";
import { CLONE } from "../../src/ffi/process.ts";
import { Daemon, type DaemonOptions, until } from "./daemon.ts";

/** Set aside for documentation (RFC 5737, RFC 3849): they cannot be anybody's here. */
const LANS = ["192.0.2", "198.51.100", "203.0.113"];

interface Finished {
  stdout: string;
  stderr: string;
  status: number;
}

async function run(words: readonly string[]): Promise<Finished> {
  const child = Bun.spawn([...words], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { stdout, stderr, status: await child.exited };
}

async function ok(words: readonly string[]): Promise<string> {
  const { stdout, stderr, status } = await run(words);
  if (status !== 0) throw new Error(`${words.join(" ")}: ${status}: ${stderr}${stdout}`);
  return stdout.trim();
}

/** Lines of `ip -batch` in a namespace. */
async function ip(netns: string, ...lines: string[]): Promise<void> {
  const child = Bun.spawn(["ip", "-n", netns, "-batch", "-"], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    stdio: [new TextEncoder().encode(`${lines.join("\n")}\n`), "ignore", "pipe"],
  });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`ip -batch: ${stderr}\n${lines.join("\n")}`);
}

/** One lan's link in a host. */
export interface Port {
  link: string;
  ipv4: string;
  ipv6: string;
}

export class Host {
  readonly name: string;
  /** For `ip netns`. */
  readonly netns: string;
  /** By the lan's name. */
  readonly ports: Record<string, Port> = {};
  /** Words that go before those of a program that is to run here. Mounts stay the machine's: only the network differs. */
  readonly under: readonly string[];

  constructor(name: string, netns: string) {
    this.name = name;
    this.netns = netns;
    this.under = ["nsenter", `--net=/run/netns/${netns}`];
  }

  /** Its address on its first lan. */
  get ipv4(): string {
    return Object.values(this.ports)[0]!.ipv4;
  }

  get ipv6(): string {
    return Object.values(this.ports)[0]!.ipv6;
  }

  run(...words: string[]): Promise<Finished> {
    return run([...this.under, ...words]);
  }

  /** Its output, trimmed; throws when it fails. */
  ok(...words: string[]): Promise<string> {
    return ok([...this.under, ...words]);
  }

  /** What `ip -j` says. */
  async ip<T = Record<string, unknown>[]>(...words: string[]): Promise<T> {
    const output = await this.ok("ip", "-j", "-d", ...words);
    return JSON.parse(output === "" ? "[]" : output) as T;
  }

  spawn(words: readonly string[]): Bun.Subprocess<"pipe", "pipe", "pipe"> {
    return Bun.spawn([...this.under, ...words], { stdio: ["pipe", "pipe", "pipe"] });
  }

  /** The calling thread, and what it starts from now on, is in this host until the result is disposed of. */
  enter(): Disposable {
    const own = openNamespace("/proc/thread-self/ns/net");
    const there = openNamespace(`/run/netns/${this.netns}`);
    const go = (to: number): number => check(sys("setns", to, CLONE.CLONE_NEWNET), "setns");
    go(there);
    closeFd(there);
    return {
      [Symbol.dispose]: () => {
        go(own);
        closeFd(own);
      },
    };
  }

  /** A daemon whose host this is; the caller disposes of it before the hosts. */
  daemon(options: DaemonOptions = {}): Promise<Daemon> {
    return new Daemon().start({ ...options, under: [...this.under, ...(options.under ?? [])] });
  }

  /** Packets from now on, as tcpdump prints them with `-n`. */
  capture(link: string, filter: string): Promise<Capture> {
    return capture(`/run/netns/${this.netns}`, link, filter);
  }
}

/** In the network namespace at that path. */
export async function capture(path: string, link: string, filter: string): Promise<Capture> {
  const words = ["tcpdump", "-n", "-l", "-U", "--immediate-mode", "-i", link, ...filter.split(" ")];
  const started = new Capture(
    Bun.spawn(["nsenter", `--net=${path}`, ...words], { stdio: ["pipe", "pipe", "pipe"] }),
  );
  await until(() => started.ready, `tcpdump on ${link}`);
  return started;
}

export class Capture implements AsyncDisposable {
  readonly lines: string[] = [];
  ready = false;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;

  constructor(child: Bun.Subprocess<"pipe", "pipe", "pipe">) {
    this.#child = child;
    void this.#read(child.stdout, (line) => this.lines.push(line));
    void this.#read(child.stderr, (line) => {
      if (line.startsWith("listening on")) this.ready = true;
    });
  }

  /** Waits for a line that matches. */
  async saw(pattern: RegExp, ms = 5000): Promise<string> {
    const find = () => this.lines.find((line) => pattern.test(line));
    await until(() => find() !== undefined, `${pattern} among\n${this.lines.join("\n")}`, ms);
    return find()!;
  }

  async #read(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) take(line);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }
}

export interface Hosts<Name extends string> extends AsyncDisposable {
  readonly host: Record<Name, Host>;
}

let made = 0;

/**
 * `makeHosts({ lan: ["engine", "remote"], dmz: ["engine", "other"] })`: at most three lans. The nth host of the first
 * has 192.0.2.n/24 and 2001:db8::n/64 on its link `lan`, of the second 198.51.100.n and 2001:db8:1::n. No host
 * forwards, and none has a default route. Addresses can be used at once: there is no duplicate address detection.
 */
export async function makeHosts<Name extends string>(
  lans: Record<string, readonly Name[]>,
): Promise<Hosts<Name>> {
  const prefix = `tsd-${process.pid}-${made++}`;
  const host = {} as Record<Name, Host>;
  const spaces: string[] = [];
  const add = async (netns: string): Promise<void> => {
    spaces.push(netns);
    await ok(["ip", "netns", "add", netns]);
    const settings = ["all", "default"].map((conf) => `net.ipv6.conf.${conf}.accept_dad=0`);
    await ok(["nsenter", `--net=/run/netns/${netns}`, "sysctl", "-qw", ...settings]);
    await ip(netns, "link set lo up");
  };
  const dispose = async (): Promise<void> => {
    // A veth in a namespace that somebody still holds would stay: with its other end it goes.
    for (const netns of spaces) await run(["ip", "-n", netns, "link", "del", "switch"]);
    for (const { netns, ports } of Object.values<Host>(host))
      for (const { link } of Object.values(ports)) await run(["ip", "-n", netns, "link", "del", link]);
    for (const netns of spaces) await run(["ip", "netns", "del", netns]);
  };
  try {
    for (const name of new Set(Object.values(lans).flat())) {
      host[name] = new Host(name, `${prefix}-${name}`);
      await add(host[name].netns);
    }
    for (const [n, [lan, names]] of Object.entries(lans).entries()) {
      const middle = `${prefix}-${lan}-switch`;
      await add(middle);
      await ip(middle, "link add switch type bridge mcast_snooping 0", "link set switch up");
      for (const [at, name] of names.entries()) {
        const ipv6 = n === 0 ? `2001:db8::${at + 1}` : `2001:db8:${n}::${at + 1}`;
        const port = { link: lan, ipv4: `${LANS[n]}.${at + 1}`, ipv6 };
        host[name].ports[lan] = port;
        const { netns } = host[name];
        await ip(
          middle,
          `link add port${at} type veth peer name ${lan} netns ${netns}`,
          `link set port${at} master switch up`,
        );
        await ip(
          netns,
          `link set ${lan} up`,
          `addr add ${port.ipv4}/24 dev ${lan}`,
          `addr add ${port.ipv6}/64 dev ${lan} nodad`,
        );
      }
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return { host, [Symbol.asyncDispose]: dispose };
}
