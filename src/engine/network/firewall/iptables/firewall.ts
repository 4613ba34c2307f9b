/**
 * The firewall by iptables, for hosts that insist. Changes are collected and made by one run of iptables-restore for each
 * family; what fails, or was changed by others, is put right from what iptables-save says.
 */
import { type Monitor, watchNftables } from "../../../../ffi/nftables/monitor.ts";
import { EngineError } from "../../../errors.ts";
import type { FirewallEndpoint, FirewallNetwork } from "../../types.ts";
import { Conntrack, changedConnections } from "../connections.ts";
import { closedLinks, enableForwarding, forwardsForUs, restoreSettings } from "../forwarding.ts";
import type { FirewallOptions } from "../options.ts";
import { FirewallState } from "../state.ts";
import { Sysctls } from "../sysctl.ts";
import { tableName } from "../table-name.ts";
import type { Repairable } from "../with-firewalld.ts";
import { ForwardPolicies } from "./policy.ts";
import { restore, type Saved, save } from "./programs.ts";
import { changeLines, foreignBridges, reconcileLines, TABLES } from "./reconcile.ts";
import { commentOf, type Rule, rulesOf, type Table, type Version } from "./rules.ts";

const VERSIONS: readonly Version[] = [4, 6];
const FAMILIES = { 4: "four", 6: "six" } as const;
const SETTLE_MS = 150;
/** Bridged packets are seen by iptables: containers of one bridge can be kept apart. */
const BRIDGED: Record<Version, string> = {
  4: "net/bridge/bridge-nf-call-iptables",
  6: "net/bridge/bridge-nf-call-ip6tables",
};

export async function openIptables(options: FirewallOptions): Promise<Repairable> {
  const firewall = new IptablesFirewall(options);
  await firewall.watch();
  return firewall;
}

class IptablesFirewall implements Repairable {
  readonly backend = "iptables";
  readonly #options: FirewallOptions;
  readonly #tag: string;
  readonly #sysctls: Sysctls;
  readonly #policies: ForwardPolicies;
  readonly #conntrack = new Conntrack();
  readonly #state: FirewallState;
  /** What is there of ours, by comment. */
  readonly #applied: Record<Version, Map<string, Rule>> = { 4: new Map(), 6: new Map() };
  #foreign: Record<Version, string[]> = { 4: [], 6: [] };
  /** Everything has been compared with what is there. */
  #known = false;
  /** A kernel without IPv6's tables: told once. */
  #without6 = false;
  #turn: Promise<void> = Promise.resolve();
  #monitor: Monitor | undefined;
  #closed = false;
  #look: ReturnType<typeof setTimeout> | undefined;

  constructor(options: FirewallOptions) {
    this.#options = options;
    this.#tag = tableName(options.engineId);
    this.#state = new FirewallState(options.families);
    this.#sysctls = new Sysctls(`${options.execRoot}/sysctls.json`);
    this.#policies = new ForwardPolicies(`${options.execRoot}/policies.json`);
  }

  /** iptables-nft's tables are nf_tables': there, changes of others are heard of. */
  async watch(): Promise<void> {
    try {
      this.#monitor = await watchNftables(
        ({ table, family }) => {
          const theirs = (family === "ip" || family === "ip6") && (TABLES as string[]).includes(table);
          // Our own too, by another process: then there is nothing to do. Who came right after is not missed.
          if (theirs) this.#lookLater();
        },
        () => {
          if (!this.#closed) setTimeout(() => void this.watch().then(() => this.#lookLater()), 1000);
        },
      );
    } catch {
      // A kernel without nf_tables: then iptables is the old one.
    }
  }

  async putNetwork(network: FirewallNetwork): Promise<void> {
    this.#state.putNetwork(network);
    await this.#change();
    await this.#settings(network);
  }

  async removeNetwork(id: string): Promise<void> {
    const removed = this.#state.removeNetwork(id);
    if (!removed) return;
    const { endpoints } = removed;
    await this.#change();
    for (const endpoint of endpoints) this.#forget(endpoint, undefined);
  }

  async putEndpoint(endpoint: FirewallEndpoint): Promise<void> {
    const before = this.#state.endpoints.get(endpoint.id);
    this.#state.endpoints.set(endpoint.id, endpoint);
    await this.#change();
    this.#forget(before, endpoint);
  }

  async removeEndpoint(id: string): Promise<void> {
    const before = this.#state.endpoints.get(id);
    if (!before) return;
    this.#state.endpoints.delete(id);
    await this.#change();
    this.#forget(before, undefined);
  }

  async sync(networks: FirewallNetwork[], endpoints: FirewallEndpoint[]): Promise<void> {
    this.#state.replace(networks, endpoints);
    this.#known = false;
    await this.#change();
    for (const network of networks) await this.#settings(network);
  }

  async repair(): Promise<void> {
    this.#known = false;
    await this.#change();
  }

  warnings(): string[] {
    return [];
  }

  async close(keep: boolean): Promise<void> {
    this.#closed = true;
    this.#monitor?.close();
    clearTimeout(this.#look);
    await this.#turn.catch(() => {});
    if (!keep) {
      const networks = new Map(this.#state.networks);
      this.#state.replace([], []);
      await this.#inTurn(() => this.#reconcile());
      restoreSettings(this.#sysctls, networks);
      for (const version of VERSIONS) {
        // Where forwarding stays, for others, what they do not let through is still not forwarded.
        if (forwardsForUs(this.#sysctls, FAMILIES[version])) continue;
        await this.#inTurn(() => this.#policies.restore(version));
      }
    }
    this.#conntrack[Symbol.dispose]();
  }

  async #settings(network: FirewallNetwork): Promise<void> {
    if (this.#options.ipForward) {
      const closed = closedLinks(this.#sysctls, this.#state.networks.values());
      for (const version of VERSIONS) {
        const family = FAMILIES[version];
        if (closed[family].length > 0 && !forwardsForUs(this.#sysctls, family)) {
          await this.#inTurn(() => this.#policies.drop(version));
        }
      }
      enableForwarding(this.#sysctls, [network], closed);
    }
    const known = this.#state.networks.get(network.id);
    if (!known || known.icc) return;
    for (const version of VERSIONS) {
      if (!(version === 4 ? known.ipv4 : known.ipv6)) continue;
      if (this.#sysctls.read(BRIDGED[version]) === undefined) {
        throw new EngineError(
          "internal",
          "cannot restrict inter-container communication: please ensure that br_netfilter kernel module is loaded",
        );
      }
      this.#sysctls.set(BRIDGED[version], "1");
    }
  }

  /** Makes the rules what the state asks for; calls that come meanwhile share the next run. */
  #waiting: Promise<void> | undefined;
  #change(): Promise<void> {
    this.#waiting ??= this.#inTurn(async () => {
      this.#waiting = undefined;
      if (this.#known) await this.#update();
      else await this.#reconcile();
    });
    return this.#waiting;
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const turn = this.#turn.catch(() => {}).then(action);
    this.#turn = turn;
    turn.catch(() => {});
    return turn;
  }

  #wanted(version: Version): Map<string, Rule> {
    const rules = rulesOf(this.#state, version, this.#foreign[version]);
    return new Map(rules.map((rule) => [commentOf(this.#tag, rule), rule]));
  }

  /** The difference to what we made last. */
  async #update(): Promise<void> {
    for (const version of VERSIONS) {
      const applied = this.#applied[version];
      const wanted = this.#wanted(version);
      // The first of a family make its chains, the last remove them.
      if ((wanted.size === 0) !== (applied.size === 0)) {
        await this.#reconcile();
        return;
      }
      const gone = [...applied].flatMap(([key, rule]) => (wanted.has(key) ? [] : [rule]));
      const fresh = [...wanted].flatMap(([key, rule]) => (applied.has(key) ? [] : [rule]));
      try {
        await restore(version, changeLines(this.#tag, gone, fresh));
        this.#applied[version] = wanted;
      } catch {
        await this.#reconcile();
        return;
      }
    }
  }

  /** The difference to what is there. */
  async #reconcile(): Promise<void> {
    this.#known = false;
    for (const version of VERSIONS) {
      let wanted = this.#wanted(version);
      if (version === 6 && this.#without6 && wanted.size === 0) continue;
      try {
        const saved = new Map<Table, Saved>();
        for (const table of TABLES) saved.set(table, await save(version, table));
        this.#foreign[version] = foreignBridges(this.#tag, saved.get("filter")!);
        wanted = this.#wanted(version);
        const rules = [...wanted.values()];
        const lines = new Map(
          TABLES.map((table) => [table, reconcileLines(this.#tag, table, saved.get(table)!, rules)]),
        );
        await restore(version, lines);
        this.#applied[version] = wanted;
      } catch (error) {
        if (version === 4) throw error;
        if (!this.#without6) {
          this.#options.warn(`IPv6 has no firewall: ${(error as Error).message}`);
          this.#without6 = true;
        }
        if (wanted.size > 0) throw error;
      }
    }
    this.#known = true;
  }

  #forget(before: FirewallEndpoint | undefined, after: FirewallEndpoint | undefined): void {
    this.#conntrack.forget(changedConnections(before, after), this.#options.warn);
  }

  #lookLater(): void {
    if (this.#closed || this.#state.networks.size === 0) return;
    this.#look ??= setTimeout(() => {
      this.#look = undefined;
      if (this.#closed) return;
      this.#inTurn(() => this.#reconcile()).catch((error: Error) =>
        this.#options.warn(`repair the firewall: ${error.message}`),
      );
    }, SETTLE_MS);
  }
}
