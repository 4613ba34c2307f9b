/** `--iptables=false`: packets are the administrator's own business. */
import type { Firewall } from "../types.ts";

export class NoFirewall implements Firewall {
  readonly backend = "none";
  async putNetwork(): Promise<void> {}
  async removeNetwork(): Promise<void> {}
  async putEndpoint(): Promise<void> {}
  async removeEndpoint(): Promise<void> {}
  async sync(): Promise<void> {}
  warnings(): string[] {
    return [];
  }
  async close(): Promise<void> {}
}
