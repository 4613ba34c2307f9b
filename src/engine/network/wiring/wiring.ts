/**
 * Links, addresses and routes over rtnetlink. All but removals is done at once, on the caller's thread: a link takes the
 * kernel some 100 µs to make. To remove one takes it 15 ms: a veth whose namespace goes is only taken down, so that it
 * carries nothing more, and goes with the namespace (retired.ts); others are left to a thread of the pool.
 */
import { ERRNO } from "../../../ffi/errno.ts";
import { NamespaceSysctls } from "../../../ffi/namespace-sysctls.ts";
import { listAddresses } from "../../../ffi/netlink/addresses.ts";
import { NETLINK } from "../../../ffi/netlink/flags.ts";
import { LinkRemover } from "../../../ffi/netlink/link-remover.ts";
import { changeLink, deleteLink, findLink, listLinks } from "../../../ffi/netlink/links.ts";
import { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { isPinned, openNamespace, unpinNamespace } from "../../../ffi/netns.ts";
import type { PrefixIndex } from "../ipam/prefix-index.ts";
import type { EndpointRecord, NetworkRecord, SandboxRecord, Wiring } from "../types.ts";
import { Announcer } from "./announcer.ts";
import { createBridge } from "./bridge.ts";
import { Inside } from "./inside.ts";
import { createParent } from "./parent.ts";
import { attachPort } from "./port.ts";
import { HostPrefixes } from "./prefixes.ts";
import { RetiredNamespaces } from "./retired.ts";
import { createSandbox, listSandboxes } from "./sandboxes.ts";
import { freshNamespace, spareNamespace } from "./spare.ts";
import { attachSublink } from "./sublink.ts";

/** A link that should have gone with its namespace is looked for after this time: somebody else may hold that. */
const GONE_MS = 1000;

export interface WiringOptions {
  execRoot: string;
  /** The alias of links of ours: `tsd <engine id>`. */
  owner: string;
  warn: (message: string) => void;
}

export class NetlinkWiring implements Wiring {
  readonly #options: WiringOptions;
  readonly #announcer = new Announcer();
  readonly #sysctls = new NamespaceSysctls();
  #host: NetlinkSocket | undefined;
  #remover: LinkRemover | undefined;
  #prefixes: HostPrefixes | undefined;
  /** Sandboxes that are being wired, from `createSandbox` to the first default routes. */
  readonly #fresh = new Map<string, Inside>();
  readonly #spare = spareNamespace();
  readonly #retired = new RetiredNamespaces(() => this.#expectGone());
  /** Ends of links whose other end is in a retired namespace. */
  #leaving = new Set<string>();

  constructor(options: WiringOptions) {
    this.#options = options;
  }

  async createNetwork(network: NetworkRecord): Promise<void> {
    if (network.driver === "bridge") createBridge(this.#socket, network, this.#options.owner);
    else if (network.driver === "macvlan" || network.driver === "ipvlan")
      createParent(this.#socket, network, this.#options.owner);
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    if (network.driver !== "bridge" && !network.ownsLink) return;
    if (network.link !== "" && this.ownerOf(network.link) === "ours") await this.removeLink(network.link);
  }

  async createSandbox(sandbox: SandboxRecord): Promise<void> {
    this.#retired.postpone();
    const inside = createSandbox(sandbox, () => this.#spare.take() ?? freshNamespace());
    if (!inside) return;
    this.#fresh.set(sandbox.path, inside);
    this.#spare.refill();
  }

  async removeSandbox(
    { path }: Pick<SandboxRecord, "path">,
    endpoints: readonly EndpointRecord[] = [],
  ): Promise<void> {
    for (const { id } of endpoints) this.#announcer.stop(id);
    this.#wired(path);
    const { ends, sublinks } = this.#cutOff(endpoints);
    if (isPinned(path)) {
      const namespace = openNamespace(path);
      for (const end of ends) this.#leaving.add(end);
      try {
        if (sublinks.length > 0) {
          using inside = new NetlinkSocket(NETLINK.NETLINK_ROUTE, namespace);
          await removeInside(inside, sublinks);
        }
      } finally {
        this.#retired.add(namespace);
      }
    } else {
      // Somebody took its name away, or this daemon does not see it: who holds it, and until when, is not known.
      await Promise.all(ends.map((end) => this.removeLink(end)));
    }
    unpinNamespace(path);
  }

  /**
   * The links of a sandbox that have an end on the host carry nothing from now on. What has none is on a parent, and must
   * go before another can have its place: beside a passthru macvlan there can be no other, nor an ipvlan beside a macvlan,
   * and ipvlan gives no address twice, not even one of a link that is down.
   */
  #cutOff(endpoints: readonly EndpointRecord[]): { ends: string[]; sublinks: string[] } {
    const linked = endpoints.filter(({ hostLink }) => hostLink !== "");
    if (linked.length === 0) return { ends: [], sublinks: [] };
    const { errors } = this.#socket.tryBatch(
      linked.map(({ hostLink }) => changeLink(hostLink, { up: false })),
    );
    const absent = new Set(errors.map(({ at }) => linked[at]!));
    return {
      ends: linked.flatMap((endpoint) => (absent.has(endpoint) ? [] : [endpoint.hostLink])),
      sublinks: [...absent].map(({ link }) => link),
    };
  }

  sandboxes(): string[] {
    return listSandboxes(`${this.#options.execRoot}/netns`);
  }

  attach({ path }: SandboxRecord, network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    return this.#within(path, async (inside) => {
      if (network.driver === "bridge") {
        const bridge = await attachPort(this.#socket, inside, network, endpoint, {
          owner: this.#options.owner,
          sysctls: this.#sysctls,
        });
        this.#announcer.onBridge(bridge.index, network, endpoint);
      } else if (network.driver === "macvlan" || network.driver === "ipvlan") {
        const { index, mac } = attachSublink(this.#socket, inside, network, endpoint, this.#sysctls);
        this.#announcer.inside(inside.namespace, index, mac, network, endpoint);
      }
    });
  }

  async detach(sandbox: SandboxRecord, network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    this.#announcer.stop(endpoint.id);
    if (network.driver === "bridge") await this.removeLink(endpoint.hostLink);
    else if (network.driver === "macvlan" || network.driver === "ipvlan")
      await this.#within(sandbox.path, ({ socket }) => removeInside(socket, [endpoint.link]));
  }

  async setDefaultRoutes(
    { path }: SandboxRecord,
    of: { four?: EndpointRecord; six?: EndpointRecord },
  ): Promise<void> {
    await this.#within(path, (inside) => inside.setDefaultRoutes(of));
    this.#wired(path);
  }

  hostPrefixes(): PrefixIndex {
    this.#prefixes ??= new HostPrefixes();
    return this.#prefixes.all();
  }

  ownerOf(name: string): "ours" | "other" | undefined {
    const link = findLink(this.#socket, name);
    return link && (link.alias === this.#options.owner ? "ours" : "other");
  }

  kindOf(name: string): string | undefined {
    return findLink(this.#socket, name)?.kind;
  }

  addressesOf(name: string): string[] {
    const link = findLink(this.#socket, name);
    return link ? listAddresses(this.#socket, link.index).map(({ address }) => address) : [];
  }

  links(): string[] {
    return listLinks(this.#socket).flatMap(({ name, alias }) =>
      alias === this.#options.owner ? [name] : [],
    );
  }

  async removeLink(name: string): Promise<void> {
    this.#remover ??= new LinkRemover();
    await this.#remover.remove(name);
  }

  get #socket(): NetlinkSocket {
    this.#host ??= new NetlinkSocket(NETLINK.NETLINK_ROUTE);
    return this.#host;
  }

  async #within(path: string, work: (inside: Inside) => Promise<void> | void): Promise<void> {
    const fresh = this.#fresh.get(path);
    if (fresh) return work(fresh);
    using inside = Inside.at(path);
    await work(inside);
  }

  #wired(path: string): void {
    this.#fresh.get(path)?.[Symbol.dispose]();
    this.#fresh.delete(path);
  }

  #expectGone(): void {
    if (this.#leaving.size > 0) setTimeout(() => void this.#removeLeft(), GONE_MS).unref();
  }

  async #removeLeft(): Promise<void> {
    // A name may be another's by now, which is up.
    const links = [...this.#leaving].filter((link) => findLink(this.#socket, link)?.up === false);
    this.#leaving.clear();
    await Promise.all(links.map((link) => this.removeLink(link))).catch(({ message }: Error) =>
      this.#options.warn(message),
    );
  }
}

/** They need not be there. */
async function removeInside(inside: NetlinkSocket, links: readonly string[]): Promise<void> {
  const { errors } = await inside.tryBatchLater(links.map((link) => deleteLink(link)));
  for (const { error } of errors) if (error.errno !== ERRNO.ENODEV) throw error;
}
