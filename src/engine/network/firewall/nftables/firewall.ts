/**
 * The firewall by nf_tables. Every change is one transaction of the few elements that it is about; when the
 * kernel refuses it, because somebody has changed what is ours, all is rebuilt instead.
 */
import { Batch } from "../../../../ffi/nftables/batch.ts";
import { type Change, Nftables } from "../../../../ffi/nftables/connection.ts";
import { NFT_MSG } from "../../../../ffi/nftables/flags.ts";
import { type Monitor, watchNftables } from "../../../../ffi/nftables/monitor.ts";
import type { FirewallEndpoint, FirewallNetwork } from "../../types.ts";
import { Conntrack, changedConnections } from "../connections.ts";
import {
  type ClosedLinks,
  closedLinks,
  enableForwarding,
  enableLoopback,
  restoreSettings,
} from "../forwarding.ts";
import type { FirewallOptions } from "../options.ts";
import { FirewallState, routeLocalnet } from "../state.ts";
import { Sysctls } from "../sysctl.ts";
import { tableName } from "../table-name.ts";
import type { Repairable } from "../with-firewalld.ts";
import { type Elements, endpointElements, networkElements } from "./elements.ts";
import { addAccepts, concernsUs, type Foreign, inspectForeign, removeAccepts } from "./foreign.ts";
import { USER_CHAIN } from "./names.ts";
import { addElements, deleteElements, type Kinds, kindsOf, rebuild, remove, replace } from "./table.ts";

/** Changes of others come in bursts: iptables-restore, a reload of firewalld. */
const SETTLE_MS = 100;
/** Somebody may flush again and again; not for every time is there a rebuild. */
const LOST_AGAIN_MS = 300;

export async function openNftables(options: FirewallOptions): Promise<NftablesFirewall> {
  const firewall = new NftablesFirewall(options);
  await firewall.watch();
  return firewall;
}

export class NftablesFirewall implements Repairable {
  readonly backend = "nftables";
  readonly #options: FirewallOptions;
  readonly #table: string;
  readonly #nftables = new Nftables();
  readonly #conntrack = new Conntrack();
  readonly #sysctls: Sysctls;
  readonly #state: FirewallState;
  #foreign: Foreign = { userChains: [], bridges: [], warnings: [] };
  #warned = new Set<string>();
  /** The tables are there. */
  #made = false;
  /** What they were made for. */
  #kinds: Kinds = { apart: false, internal: false };
  #closed = false;
  /** What the sets of closed links were made from. */
  #closedBefore = "";
  #monitor: Monitor | undefined;
  #repair: ReturnType<typeof setTimeout> | undefined;
  #look: ReturnType<typeof setTimeout> | undefined;

  constructor(options: FirewallOptions) {
    this.#options = options;
    this.#table = tableName(options.engineId);
    this.#state = new FirewallState(options.families);
    this.#sysctls = new Sysctls(`${options.execRoot}/sysctls.json`);
  }

  async watch(): Promise<void> {
    const lost = () => {
      if (this.#closed) return;
      setTimeout(() => void this.watch().then(() => this.#rebuildLater()), LOST_AGAIN_MS);
    };
    this.#monitor = await watchNftables((change) => this.#changed(change), lost);
    if (this.#closed) this.#monitor.close();
  }

  async putNetwork(network: FirewallNetwork): Promise<void> {
    const before = this.#elementsOf(network.id);
    this.#state.putNetwork(network);
    const closed = this.#closedLinks();
    if (JSON.stringify(closed) !== this.#closedBefore) this.#rebuild();
    else this.#exchange(before, this.#elementsOf(network.id));
    this.#settings([network], closed);
  }

  async removeNetwork(id: string): Promise<void> {
    const before = this.#elementsOf(id);
    const removed = this.#state.removeNetwork(id);
    if (!removed) return;
    this.#exchange(before, undefined);
    this.#sysctls.restore(routeLocalnet(removed.network.bridge));
    for (const endpoint of removed.endpoints) this.#forget(endpoint, undefined);
  }

  async putEndpoint(endpoint: FirewallEndpoint): Promise<void> {
    const before = this.#state.endpoints.get(endpoint.id);
    this.#state.endpoints.set(endpoint.id, endpoint);
    const network = this.#state.networkOf(endpoint);
    if (!network) return;
    this.#exchange(before && endpointElements(before, network), endpointElements(endpoint, network));
    this.#forget(before, endpoint);
  }

  async removeEndpoint(id: string): Promise<void> {
    const endpoint = this.#state.endpoints.get(id);
    if (!endpoint) return;
    this.#state.endpoints.delete(id);
    const network = this.#state.networkOf(endpoint);
    if (network) this.#exchange(endpointElements(endpoint, network), undefined);
    this.#forget(endpoint, undefined);
  }

  async sync(networks: FirewallNetwork[], endpoints: FirewallEndpoint[]): Promise<void> {
    this.#state.replace(networks, endpoints);
    if (networks.length === 0) {
      this.#takeAway();
      return;
    }
    const closed = this.#closedLinks();
    this.#inspect();
    this.#rebuild();
    this.#settings(networks, closed);
  }

  async repair(): Promise<void> {
    if (!this.#made) return;
    this.#inspect();
    this.#rebuild();
  }

  warnings(): string[] {
    return this.#made ? this.#foreign.warnings : [];
  }

  async close(keep: boolean): Promise<void> {
    this.#closed = true;
    this.#monitor?.close();
    clearTimeout(this.#repair);
    clearTimeout(this.#look);
    if (!keep) {
      this.#takeAway();
      restoreSettings(this.#sysctls, this.#state.networks);
    }
    this.#conntrack[Symbol.dispose]();
    this.#nftables[Symbol.dispose]();
  }

  /** Of a network with its endpoints; undefined when it is not known. */
  #elementsOf(id: string): Elements | undefined {
    const network = this.#state.networks.get(id);
    if (!network) return undefined;
    const elements = networkElements(network);
    for (const endpoint of this.#state.endpointsOf(id)) {
      for (const [key, element] of endpointElements(endpoint, network)) elements.set(key, element);
    }
    return elements;
  }

  /** From one set of elements to another, without a moment in which what is in both is not there. */
  #exchange(before: Elements | undefined, after: Elements | undefined): void {
    const differing = (a: Elements, b: Elements | undefined): Elements =>
      new Map(
        [...a].filter(([key, { element }]) => !equal(element.value, b?.get(key)?.element.value, b?.has(key))),
      );
    const batches = {
      inet: new Batch("inet", this.#table),
      bridge: new Batch("bridge", this.#table),
    };
    if (before) deleteElements(differing(before, after), batches);
    if (after) addElements(differing(after, before), batches);
    this.#commit(batches);
  }

  #commit({ inet, bridge }: { inet: Batch; bridge: Batch }): void {
    const { apart, internal } = kindsOf(this.#state);
    if (!this.#made || apart !== this.#kinds.apart || internal !== this.#kinds.internal) {
      this.#rebuild();
      return;
    }
    try {
      this.#nftables.commit(inet, bridge);
    } catch {
      // Not what we left: all of it anew, and if that fails too, that is the error.
      this.#rebuild();
    }
  }

  #rebuild(): void {
    if (!this.#made) this.#inspect();
    const closed = this.#closedLinks();
    const { families, proxyLoopback } = this.#options;
    const wanted = {
      families,
      state: this.#state,
      closedLinks: closed,
      foreignBridges: this.#foreign.bridges,
      proxyLoopback,
      mark: this.#foreign.userChains.length > 0,
    };
    try {
      this.#nftables.commit(...rebuild(this.#nftables, this.#table, wanted));
    } catch {
      this.#nftables.commit(...replace(this.#nftables, this.#table, wanted));
    }
    this.#made = true;
    this.#kinds = kindsOf(this.#state);
    this.#closedBefore = JSON.stringify(closed);
    this.#accept();
  }

  #takeAway(): void {
    removeAccepts(this.#nftables, this.#table);
    this.#nftables.commit(...remove(this.#nftables, this.#table));
    this.#made = false;
  }

  #closedLinks(): ClosedLinks {
    const { ipForward } = this.#options;
    return ipForward ? closedLinks(this.#sysctls, this.#state.networks.values()) : { four: [], six: [] };
  }

  #settings(networks: readonly FirewallNetwork[], closed: ClosedLinks): void {
    const { ipForward, proxyLoopback } = this.#options;
    if (ipForward) enableForwarding(this.#sysctls, networks, closed);
    if (proxyLoopback) return;
    for (const { id } of networks) enableLoopback(this.#sysctls, this.#state.networks.get(id)!);
  }

  #forget(before: FirewallEndpoint | undefined, after: FirewallEndpoint | undefined): void {
    this.#conntrack.forget(changedConnections(before, after), this.#options.warn);
  }

  #inspect(): void {
    this.#foreign = inspectForeign(this.#nftables, this.#table);
    for (const warning of this.#foreign.warnings) {
      if (!this.#warned.has(warning)) this.#options.warn(warning);
      this.#warned.add(warning);
    }
  }

  #accept(): void {
    try {
      addAccepts(this.#nftables, this.#foreign, this.#table);
    } catch (error) {
      this.#options.warn(`let containers' packets through DOCKER-USER: ${(error as Error).message}`);
    }
  }

  /** What others do to our table is undone; what they do elsewhere may ask for something of us. */
  #changed(change: Change): void {
    const { message, family, table, name, port } = change;
    if (port === this.#nftables.port || message === NFT_MSG.NFT_MSG_NEWGEN || !this.#made) return;
    if (table === this.#table && (family === "inet" || family === "bridge")) {
      if (name !== USER_CHAIN || message === NFT_MSG.NFT_MSG_DELCHAIN) this.#rebuildLater();
    } else if (concernsUs(change)) {
      this.#lookLater();
    }
  }

  #rebuildLater(): void {
    this.#repair ??= setTimeout(() => {
      this.#repair = undefined;
      if (this.#closed || !this.#made) return;
      this.repair().catch((error: Error) => this.#options.warn(`repair the firewall: ${error.message}`));
    }, SETTLE_MS);
  }

  #lookLater(): void {
    this.#look ??= setTimeout(() => {
      this.#look = undefined;
      if (this.#closed || !this.#made) return;
      this.#attempt("look at the host's firewall", () => this.#followForeign());
    }, SETTLE_MS);
  }

  #followForeign(): void {
    const before = this.#foreign;
    this.#inspect();
    const { bridges, userChains } = this.#foreign;
    const marks = before.userChains.length > 0;
    if (marks !== userChains.length > 0 || before.bridges.join() !== bridges.join()) this.#rebuild();
    else this.#accept();
  }

  #attempt(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.warn(`${what}: ${(error as Error).message}`);
    }
  }
}

/** Whether a key is there with the same value. */
function equal(a: unknown, b: unknown, there: boolean | undefined): boolean {
  if (!there) return false;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.from(a).equals(b);
  return a === b;
}
