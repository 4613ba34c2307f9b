/** A firewall that keeps firewalld informed. */
import type { Firewall, FirewallEndpoint, FirewallNetwork } from "../types.ts";
import { Firewalld } from "./firewalld.ts";

/** One that can be put right without being told everything again. */
export interface Repairable extends Firewall {
  repair(): Promise<void>;
}

export class WithFirewalld implements Firewall {
  readonly #inner: Repairable;
  readonly #warn: (message: string) => void;
  readonly #bridges = new Map<string, string>();
  /** Looked for when the first network is there: a daemon without networks asks nothing of the host. */
  #firewalld: Promise<Firewalld | undefined> | undefined;
  #there: Firewalld | undefined;
  #reloadedAt: Date | undefined;
  #closed = false;

  constructor(inner: Repairable, warn: (message: string) => void) {
    this.#inner = inner;
    this.#warn = warn;
  }

  get backend(): Firewall["backend"] {
    return this.#inner.backend;
  }

  async putNetwork(network: FirewallNetwork): Promise<void> {
    await this.#inner.putNetwork(network);
    this.#bridges.set(network.id, network.bridge);
    await (await this.#found())?.addBridge(network.bridge);
  }

  async removeNetwork(id: string): Promise<void> {
    await this.#inner.removeNetwork(id);
    const bridge = this.#bridges.get(id);
    if (bridge === undefined) return;
    this.#bridges.delete(id);
    await (await this.#firewalld)?.removeBridge(bridge);
  }

  putEndpoint(endpoint: FirewallEndpoint): Promise<void> {
    return this.#inner.putEndpoint(endpoint);
  }

  removeEndpoint(id: string): Promise<void> {
    return this.#inner.removeEndpoint(id);
  }

  async sync(networks: FirewallNetwork[], endpoints: FirewallEndpoint[]): Promise<void> {
    await this.#inner.sync(networks, endpoints);
    const before = [...this.#bridges.values()];
    this.#bridges.clear();
    for (const { id, bridge } of networks) this.#bridges.set(id, bridge);
    const now = new Set(this.#bridges.values());
    if (now.size + before.length === 0) return;
    const firewalld = await this.#found();
    for (const bridge of before) if (!now.has(bridge)) await firewalld?.removeBridge(bridge);
    for (const bridge of now) await firewalld?.addBridge(bridge);
  }

  warnings(): string[] {
    return this.#inner.warnings();
  }

  firewalld(): { reloadedAt?: Date } | undefined {
    if (!this.#there?.running) return undefined;
    return this.#reloadedAt ? { reloadedAt: this.#reloadedAt } : {};
  }

  async close(keep: boolean): Promise<void> {
    this.#closed = true;
    const firewalld = await this.#firewalld;
    if (!keep) for (const bridge of this.#bridges.values()) await firewalld?.removeBridge(bridge);
    firewalld?.close();
    await this.#inner.close(keep);
  }

  #found(): Promise<Firewalld | undefined> {
    this.#firewalld ??= this.#find();
    return this.#firewalld;
  }

  async #find(): Promise<Firewalld | undefined> {
    try {
      this.#there = await Firewalld.find({ reloaded: () => void this.#reloaded(), warn: this.#warn });
    } catch (error) {
      this.#warn(`firewalld: ${(error as Error).message}`);
    }
    return this.#there;
  }

  /** Rules first: what firewalld let go must not be open for longer than it has to. */
  async #reloaded(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#inner.repair();
      const firewalld = await this.#firewalld;
      for (const bridge of this.#bridges.values()) await firewalld?.addBridge(bridge);
      this.#reloadedAt = new Date();
    } catch (error) {
      this.#warn(`after firewalld's reload: ${(error as Error).message}`);
    }
  }
}
