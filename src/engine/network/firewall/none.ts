/** `--iptables=false --ip6tables=false`: packets are the administrator's own business, but for `--ip-forward`. */
import type { Firewall, FirewallNetwork } from "../types.ts";
import { enableForwarding, restoreSettings } from "./forwarding.ts";
import type { FirewallOptions } from "./options.ts";
import { Sysctls } from "./sysctl.ts";

export class NoFirewall implements Firewall {
  readonly backend = "none";
  readonly #options: FirewallOptions;
  readonly #sysctls: Sysctls;
  readonly #networks = new Map<string, FirewallNetwork>();

  constructor(options: FirewallOptions) {
    this.#options = options;
    this.#sysctls = new Sysctls(`${options.execRoot}/sysctls.json`);
  }

  async putNetwork(network: FirewallNetwork): Promise<void> {
    this.#networks.set(network.id, network);
    this.#forward([network]);
  }

  async removeNetwork(id: string): Promise<void> {
    this.#networks.delete(id);
  }

  async putEndpoint(): Promise<void> {}
  async removeEndpoint(): Promise<void> {}

  async sync(networks: FirewallNetwork[]): Promise<void> {
    this.#networks.clear();
    for (const network of networks) this.#networks.set(network.id, network);
    this.#forward(networks);
  }

  warnings(): string[] {
    return [];
  }

  async close(keep: boolean): Promise<void> {
    if (!keep) restoreSettings(this.#sysctls, this.#networks);
  }

  #forward(networks: readonly FirewallNetwork[]): void {
    if (this.#options.ipForward) enableForwarding(this.#sysctls, networks, { four: [], six: [] });
  }
}
