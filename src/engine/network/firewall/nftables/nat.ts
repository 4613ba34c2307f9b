/** Whose addresses are changed, and to what: the rules of the table's nat chains, which see a connection's first packet. */
import type { Batch } from "../../../../ffi/nftables/batch.ts";
import { jump, leave, masquerade } from "../../../../ffi/nftables/expressions.ts";
import {
  destinationChanged,
  dnatBy,
  dport,
  IP4,
  IP6,
  iifname,
  is,
  l4proto,
  lookUp,
  nfproto,
  notOfThisHost,
  oifname,
  snatBy,
  toThisHost,
  within,
} from "../../../../ffi/nftables/fields.ts";
import { LOOPBACK, passOthers } from "./filter.ts";
import { BRIDGES, CHAINS, FAMILIES, SAME_BRIDGE } from "./names.ts";
import type { Skeleton } from "./skeleton.ts";

const LINK_LOCAL = { address: new Uint8Array([0xfe, 0x80, ...new Uint8Array(14)]), bits: 10 };
const NOWHERE = new Uint8Array(16);
const LOCALHOST6 = new Uint8Array([...new Uint8Array(15), 1]);

export function addNatRules(batch: Batch, { proxyLoopback, families }: Skeleton): void {
  for (const chain of [CHAINS.prerouting, CHAINS.output, CHAINS.postrouting]) {
    passOthers(batch, chain, families);
  }
  const toPublished = [...toThisHost(), jump(CHAINS.publish)];
  batch.addRule(CHAINS.prerouting, toPublished);
  batch.addRule(
    CHAINS.output,
    [...nfproto(IP6), ...is(IP6.daddr, LOCALHOST6), leave()],
    "nothing leaves loopback there",
  );
  if (proxyLoopback) {
    batch.addRule(CHAINS.output, [...nfproto(IP4), ...within(IP4.daddr, LOOPBACK), leave()]);
  }
  batch.addRule(CHAINS.output, toPublished);
  batch.addRule(
    CHAINS.publish,
    [...nfproto(IP6), ...within(IP6.saddr, LINK_LOCAL), leave()],
    "containers have no way back to link-local addresses",
  );
  for (const { ip, published, publishedAny } of FAMILIES) {
    batch.addRule(CHAINS.publish, [...nfproto(ip), ...dnatBy(ip, published, [ip.daddr, l4proto, dport])]);
    batch.addRule(CHAINS.publish, [...nfproto(ip), ...dnatBy(ip, publishedAny, [l4proto, dport])]);
  }
  addSources(batch);
}

function addSources(batch: Batch): void {
  const { postrouting, natIncoming, natOutgoing } = CHAINS;
  batch.addRule(postrouting, [...lookUp(BRIDGES, [oifname]), jump(natIncoming)]);
  batch.addRule(postrouting, [...lookUp(BRIDGES, [iifname]), jump(natOutgoing)]);
  batch.addRule(
    natIncoming,
    [...nfproto(IP4), ...within(IP4.saddr, LOOPBACK), masquerade()],
    "from this host by its loopback",
  );
  const asked = "from a container by this host's address";
  for (const { ip, subnets } of FAMILIES) {
    // Where br_netfilter sends what its chains have made a bridge's own, nobody says where it came from.
    const bridged = [...is(iifname, NOWHERE), ...destinationChanged(), ...notOfThisHost()];
    const ofSubnet = [...nfproto(ip), ...lookUp(subnets, [ip.saddr])];
    batch.addRule(natIncoming, [...bridged, ...ofSubnet, masquerade()], asked);
  }
  const onOneBridge = lookUp(SAME_BRIDGE, [iifname, oifname]);
  batch.addRule(natOutgoing, [...onOneBridge, ...destinationChanged(), masquerade()], asked);
  batch.addRule(natOutgoing, [...onOneBridge, leave()]);
  for (const { ip, subnets, masqueraded, sources } of FAMILIES) {
    const ofSubnet = [...nfproto(ip), ...lookUp(subnets, [ip.saddr])];
    batch.addRule(natOutgoing, [...ofSubnet, ...lookUp(masqueraded, [iifname]), masquerade()]);
    batch.addRule(natOutgoing, [...ofSubnet, ...snatBy(ip, sources, [iifname])]);
  }
}
