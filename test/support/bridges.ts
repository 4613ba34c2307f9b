/** Bridges with "containers" on them, as wiring makes them, for tests of packets alone: plain namespaces and veths. */
import type { FirewallEndpoint, FirewallFamily, FirewallNetwork } from "../../src/engine/network/types.ts";
import { Host } from "./hosts.ts";

type Mode = FirewallFamily["mode"];

export interface BridgeOptions {
  mode?: Mode;
  internal?: boolean;
  icc?: boolean;
  trusted?: string[];
  masquerade?: boolean;
}

let made = 0;

async function ok(...words: string[]): Promise<void> {
  const child = Bun.spawn(words, { stdio: ["ignore", "ignore", "pipe"] });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
}

/** The nth bridge has 172.30.n.0/24 and fd30:n::/64, and the address 1 in both. */
export class Bridge {
  readonly network: FirewallNetwork;
  readonly subnets: readonly [four: string, six: string];
  readonly #engine: Host;
  readonly #n: number;

  constructor(engine: Host, n: number, link: string, options: BridgeOptions) {
    const { mode = "nat", internal = false, icc = true, trusted = [], masquerade = true } = options;
    this.#engine = engine;
    this.#n = n;
    this.subnets = [`172.30.${n}.0/24`, `fd30:${n}::/64`];
    const family = (subnet: string, gateway: string): FirewallFamily => ({
      subnet,
      gateway,
      mode,
      masquerade,
    });
    this.network = {
      id: `network-${link}`,
      bridge: link,
      internal,
      icc,
      trustedInterfaces: trusted,
      ipv4: family(this.subnets[0], `172.30.${n}.1`),
      ipv6: family(this.subnets[1], `fd30:${n}::1`),
    };
  }

  async create(): Promise<this> {
    const { bridge, ipv4, ipv6 } = this.network;
    await this.#engine.ok(
      ...["sh", "-ec"],
      `ip link add ${bridge} type bridge mcast_snooping 0; ip link set ${bridge} up
       ip addr add ${ipv4!.gateway}/24 dev ${bridge}; ip addr add ${ipv6!.gateway}/64 dev ${bridge} nodad`,
    );
    return this;
  }

  /** One with the host numbers `at`. Internal networks give no default route. */
  async container(at: number, ports: FirewallEndpoint["ports"] = []): Promise<Container> {
    const { bridge, internal, id, ipv4, ipv6 } = this.network;
    const netns = `tsd-${process.pid}-c${made++}`;
    const port = `${bridge}-${at}`;
    const [four, six] = [`172.30.${this.#n}.${at}`, `fd30:${this.#n}::${at}`];
    await ok("ip", "netns", "add", netns);
    const routes = internal
      ? ""
      : `ip route add default via ${ipv4!.gateway}; ip -6 route add default via ${ipv6!.gateway}`;
    await this.#engine.ok(
      ...["sh", "-ec"],
      `ip link add ${port} type veth peer name eth0 netns ${netns}
       ip link set ${port} master ${bridge} up
       ip link set ${port} type bridge_slave hairpin on`,
    );
    await ok(
      ...["nsenter", `--net=/run/netns/${netns}`, "sh", "-ec"],
      `sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
       ip link set lo up; ip link set eth0 up
       ip addr add ${four}/24 dev eth0; ip addr add ${six}/64 dev eth0 nodad; ${routes}`,
    );
    const endpoint = { id: `endpoint-${netns}`, network: id, hostLink: port, ipv4: four, ipv6: six, ports };
    return new Container(netns, this.#engine, port, endpoint);
  }
}

export class Container extends Host implements AsyncDisposable {
  readonly #engine: Host;
  readonly #port: string;
  readonly endpoint: FirewallEndpoint & { ipv4: string; ipv6: string };

  constructor(
    netns: string,
    engine: Host,
    port: string,
    endpoint: FirewallEndpoint & { ipv4: string; ipv6: string },
  ) {
    super(netns, netns);
    this.#engine = engine;
    this.#port = port;
    this.endpoint = endpoint;
  }

  override get ipv4(): string {
    return this.endpoint.ipv4;
  }

  override get ipv6(): string {
    return this.endpoint.ipv6;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine.run("ip", "link", "del", this.#port);
    await ok("ip", "netns", "del", this.netns);
  }
}
