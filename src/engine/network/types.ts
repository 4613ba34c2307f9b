/**
 * The parts of networking and what they ask of each other. The service (service.ts) decides and stores; wiring/ makes
 * links, addresses and routes; firewall/ makes rules; ports/ gives out host ports; the shim answers names and holds
 * sockets, because those outlive the daemon.
 *
 * **Order, so that `kill -9` at any moment leaves nothing unclaimed**: a row is written first, with the names of the
 * links that will be made; then the kernel is changed; what a row claims is removed before the row is. Every call of
 * wiring and firewall may be repeated: making what is there and removing what is not are no errors.
 *
 * Addresses are text (`172.18.0.2`, `fd00::2`), prefixes CIDR (`172.18.0.0/16`), MACs lower case with colons.
 */
import type { PrefixIndex } from "./ipam/prefix-index.ts";

export type NetworkDriver = "bridge" | "host" | "null" | "macvlan" | "ipvlan";

export interface IpamPool {
  subnet: string;
  ipRange?: string;
  gateway?: string;
  auxiliary?: Record<string, string>;
}

/** One network, as stored. */
export interface NetworkRecord {
  /** 64 hex digits. */
  id: string;
  name: string;
  /** RFC 3339 with nanoseconds. */
  created: string;
  driver: NetworkDriver;
  enableIPv4: boolean;
  enableIPv6: boolean;
  internal: boolean;
  attachable: boolean;
  configOnly: boolean;
  configFrom: string;
  /** As sent: Docker's `com.docker.network.*`, and `parent`, `macvlan_mode`, `ipvlan_mode`, `ipvlan_flag`. */
  options: Record<string, string>;
  labels: Record<string, string>;
  ipam: { driver: string; options: Record<string, string> | null; pools: IpamPool[] };
  /** The bridge, or the parent of macvlan and ipvlan. Empty for host and null. */
  link: string;
  /** The parent is ours: a VLAN sub-interface or a dummy that goes with the network. */
  ownsLink: boolean;
  /** The default bridge: no names there, and links of the old kind. */
  predefined: boolean;
}

/** `-p`: one port of a container on one address of the host. */
export interface PortBinding {
  protocol: "tcp" | "udp" | "sctp";
  containerPort: number;
  /** `0.0.0.0`, `::` or an address of the host. */
  hostIp: string;
  hostPort: number;
}

/** What was asked: a range of host ports, or 0 to 0 for any. */
export interface PortRequest {
  protocol: "tcp" | "udp" | "sctp";
  containerPort: number;
  /** Empty: the network's default binding address, IPv4 and IPv6. */
  hostIp: string;
  hostPortStart: number;
  hostPortEnd: number;
}

/** One container in one network while it runs, as stored. Its addresses are its leases. */
export interface EndpointRecord {
  /** 64 hex digits. */
  id: string;
  network: string;
  container: string;
  /** The veth's end on the host; the name of the macvlan before it is moved. */
  hostLink: string;
  /** Its name inside: `eth0`, or what `com.docker.network.endpoint.ifname` says. */
  link: string;
  mac: string;
  /** With their prefix lengths. */
  ipv4?: string;
  ipv6?: string;
  gateway4?: string;
  gateway6?: string;
  linkLocal: string[];
  /** Its network gives the container its default route, by family. */
  default4: boolean;
  default6: boolean;
  driverOpts: Record<string, string>;
  /** Published through this endpoint. */
  ports: PortBinding[];
  /** It is being connected to, or disconnected from, a container that runs: a crash leaves anything of it. */
  unfinished?: true;
}

/** A network namespace, pinned at `path` by a bind mount, so that it has a name and outlives every process of ours. */
export interface SandboxRecord {
  /** The container's id. */
  id: string;
  /** `<exec-root>/netns/<12 digits of the id>`. */
  path: string;
  /** Where the keeper's sockets for names are bound on 127.0.0.11: port 53 is sent there. */
  names?: { udp: number; tcp: number };
}

/** Links, addresses, routes: rtnetlink (wiring/). */
export interface Wiring {
  /** The bridge with its addresses, or the parent. */
  createNetwork(network: NetworkRecord): Promise<void>;
  removeNetwork(network: NetworkRecord): Promise<void>;
  /** A new namespace with `lo` up; with the redirect of names when asked for, also if the namespace is there already. */
  createSandbox(sandbox: SandboxRecord): Promise<void>;
  /**
   * With the links of its endpoints, which at once carry nothing more. They and the namespace go a little later, when
   * nobody waits for the kernel; a daemon that ends before leaves them to it.
   */
  removeSandbox(sandbox: Pick<SandboxRecord, "path">, endpoints?: readonly EndpointRecord[]): Promise<void>;
  /** The paths that are there, claimed or not: for the sweep at start. */
  sandboxes(): string[];
  /** The link inside, with addresses, routes of its own, neighbours announced; not the default route. */
  attach(sandbox: SandboxRecord, network: NetworkRecord, endpoint: EndpointRecord): Promise<void>;
  /** From a sandbox that stays: resolves when the link is gone. */
  detach(sandbox: SandboxRecord, network: NetworkRecord, endpoint: EndpointRecord): Promise<void>;
  /**
   * Replaces the default routes by those of the endpoints that are said to give them; none: none. One without a gateway
   * (ipvlan in l3) is reached on its link, and so is everything.
   */
  setDefaultRoutes(
    sandbox: SandboxRecord,
    of: { four?: EndpointRecord; six?: EndpointRecord },
  ): Promise<void>;
  /** What pools must not overlap: every prefix that the host routes or has, but the default; as it is now. */
  hostPrefixes(): PrefixIndex;
  /** Whose a link of the host is, by its alias (`tsd <engine id>`); undefined when there is none of this name. */
  ownerOf(link: string): "ours" | "other" | undefined;
  /** What a link of the host is, `bridge` or `veth`, say, and empty for a device; undefined when there is none. */
  kindOf(link: string): string | undefined;
  /** The addresses of a link of the host, with their prefix lengths; for a bridge that the user made. */
  addressesOf(link: string): string[];
  /** Links of the host that are ours, claimed or not: bridges, parents, veth ends. For the sweep at start. */
  links(): string[];
  /** Whatever it is; it need not be there. */
  removeLink(name: string): Promise<void>;
}

/** What the firewall needs to know of a bridge network. */
export interface FirewallNetwork {
  id: string;
  bridge: string;
  internal: boolean;
  /** `com.docker.network.bridge.enable_icc` */
  icc: boolean;
  ipv4?: FirewallFamily;
  ipv6?: FirewallFamily;
  /** `com.docker.network.bridge.trusted_host_interfaces`, apart by colons there. */
  trustedInterfaces: string[];
}

export interface FirewallFamily {
  subnet: string;
  /** The bridge's own address. */
  gateway: string;
  mode: "nat" | "nat-unprotected" | "routed" | "isolated";
  masquerade: boolean;
  /** `com.docker.network.host_ipv4`: SNAT to this instead of masquerading. */
  source?: string;
}

export interface FirewallEndpoint {
  id: string;
  network: string;
  /** The veth's end on the host, which containers that are kept apart (`icc`) are known by. */
  hostLink?: string;
  ipv4?: string;
  ipv6?: string;
  /** Those that the kernel forwards. */
  ports: PortBinding[];
  /** Of legacy `--link` with icc=false: addresses that may reach these ports. */
  links?: { from: string; protocol: "tcp" | "udp" | "sctp"; port: number }[];
}

/** Packets (firewall/): nf_tables or iptables. Puts replace what was put for the same id. */
export interface Firewall {
  readonly backend: "nftables" | "iptables" | "none";
  /**
   * The bridge is there. Also makes the host forward (`--ip-forward`), but only once its rules keep the rest of the host
   * from being a router by that; `close(false)` puts it back.
   */
  putNetwork(network: FirewallNetwork): Promise<void>;
  removeNetwork(id: string): Promise<void>;
  putEndpoint(endpoint: FirewallEndpoint): Promise<void>;
  /** Also ends tracked connections of its ports. */
  removeEndpoint(id: string): Promise<void>;
  /** After a start, a flush by others, or SIGHUP: makes the whole state this, and removes what else is ours. */
  sync(networks: FirewallNetwork[], endpoints: FirewallEndpoint[]): Promise<void>;
  /** What an operator should know: a foreign chain that drops what we forward, say. For start and `info`. */
  warnings(): string[];
  /** firewalld, where it runs and is kept informed; `reloadedAt` once it has loaded its rules anew. */
  firewalld?(): { reloadedAt?: Date } | undefined;
  /** `false`: nothing runs, so all that is ours goes, and sysctls are put back. */
  close(keep: boolean): Promise<void>;
}

/** Host ports (ports/). All of an endpoint's, or none. */
export interface Ports {
  /**
   * Gives out host ports and holds them by sockets in the shim. Of what the endpoint had, `kept` stays and the rest goes;
   * when it fails, all is as it was. `six` without an IPv6 address of the container: ts-proxy forwards to its IPv4 address.
   * Returns what is new.
   * @throws EngineError in Docker's words: `Bind for 0.0.0.0:80 failed: port is already allocated`, …
   */
  publish(
    endpoint: EndpointRecord,
    requests: PortRequest[],
    family: { four: boolean; six: boolean },
    kept?: readonly PortBinding[],
  ): Promise<PortBinding[]>;
  /**
   * What a row says is published already, after a restart of the daemon: held as this daemon would, should the last one
   * have had other options, or have been killed in the midst of a change.
   */
  claim(endpoint: EndpointRecord): Promise<void>;
  release(endpoint: Pick<EndpointRecord, "id">): Promise<void>;
}

/** What the shim needs to answer a container's queries, and to hold its ports; kept on tmpfs for its successor. */
export interface SandboxNames {
  /** The container's id. */
  id: string;
  netns: string;
  /** User-defined networks it is in, the one that gives the default route first. */
  networks: string[];
  /** Of `--link`: alias to the id of the container. */
  links: Record<string, string>;
  /** Asked, in order, for what is nobody's name here; from the host's namespace or from the container's. */
  upstreams: { address: string; from: "host" | "sandbox"; port?: number }[];
  /**
   * False in internal networks alone: nothing is asked from the host's namespace. What the container itself can reach,
   * a server of its own network say, may be asked.
   */
  external: boolean;
  /** `ndots` was asked for: a name of one label that is nobody's here is not asked of others. */
  ndots?: boolean;
}

export interface EndpointNames {
  /** The endpoint's id. */
  id: string;
  network: string;
  /** For `NAME.NETWORK`, and what a reverse look-up says. */
  networkName: string;
  container: string;
  /** The container's name first, then aliases, short id, hostname. */
  names: string[];
  addresses: string[];
}

/** A socket that the shim (plain) or ts-proxy (with `to`) binds on the host. */
export interface HeldPort {
  protocol: "tcp" | "udp" | "sctp";
  hostIp: string;
  hostPort: number;
  /** Forwarded by ts-proxy, since the kernel cannot. Absent: only held, so that nobody else takes it. */
  to?: { ip: string; port: number };
}

/** What the daemon asks of the shim for networks; part of `ShimClient`. */
export interface ShimNetworks {
  putNames(changes: { sandboxes?: SandboxNames[]; endpoints?: EndpointNames[] }): Promise<void>;
  removeNames(gone: { sandboxes?: string[]; endpoints?: string[] }): Promise<void>;
  /** All there is: what else the shim knew is forgotten. */
  syncNames(all: { sandboxes: SandboxNames[]; endpoints: EndpointNames[] }): Promise<void>;
  /**
   * Replaces what is held for the endpoint, all or nothing; an empty list releases it.
   * @throws EngineError internal `failed to bind host port 0.0.0.0:80/tcp: address already in use`
   */
  holdPorts(endpoint: string, ports: HeldPort[]): Promise<void>;
  /** Endpoints that hold ports: for the sweep at start. */
  heldPorts(): Promise<string[]>;
}
