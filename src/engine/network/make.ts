/** A network's link and rules on the host: made when a network is created, or first used, and when the daemon starts. */
import type { NetworkContext } from "./context.ts";
import { chooseBridge } from "./default-bridge.ts";
import { firewallNetwork } from "./firewall-view.ts";
import type { NetworkRecord } from "./types.ts";

/**
 * Makes what is not there. May be called again; who comes meanwhile waits for the same. Without `rules`, the firewall
 * is told of all networks at once later: at the daemon's start.
 */
export function make(ctx: NetworkContext, network: NetworkRecord, rules = true): Promise<void> {
  const { id } = network;
  const known = ctx.made.get(id);
  if (known) return known;
  const making = makeNow(ctx, network, rules);
  ctx.made.set(id, making);
  making.catch(() => ctx.made.delete(id));
  return making;
}

async function makeNow(ctx: NetworkContext, network: NetworkRecord, rules: boolean): Promise<void> {
  if (network.configOnly || network.driver === "host" || network.driver === "null") return;
  const chosen = network.predefined ? chooseBridge(ctx, network) : network;
  await ctx.wiring.createNetwork(chosen);
  if (chosen.driver !== "bridge" || !rules) return;
  await ctx.firewall.putNetwork(firewallNetwork(chosen));
}

/** Takes link and rules away; the row is the caller's. */
export async function unmake(ctx: NetworkContext, network: NetworkRecord): Promise<void> {
  ctx.made.delete(network.id);
  if (network.configOnly || network.driver === "host" || network.driver === "null") return;
  if (network.driver === "bridge") await ctx.firewall.removeNetwork(network.id);
  await ctx.wiring.removeNetwork(keepShared(ctx, network));
}

/** A parent of ours that another network uses too stays for that one. */
function keepShared(ctx: NetworkContext, network: NetworkRecord): NetworkRecord {
  if (!network.ownsLink) return network;
  for (const other of ctx.store.onLink(network.link)) {
    if (other.id !== network.id && other.driver === network.driver) {
      return { ...network, ownsLink: false };
    }
  }
  return network;
}
