/** The bridge of a network: a link of ours, or one that the user made and that stays the user's. */
import { writeFileSync } from "node:fs";
import { ERRNO } from "../../../ffi/errno.ts";
import { addAddress, deleteAddress, listAddresses } from "../../../ffi/netlink/addresses.ts";
import { changeLink, findLink, type Link, newLink } from "../../../ffi/netlink/links.ts";
import type { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { EngineError } from "../../errors.ts";
import { bridgeOptions } from "../driver-options.ts";
import { randomMac } from "../mac.ts";
import type { NetworkRecord } from "../types.ts";

/** Makes the bridge with its addresses, up; or makes the one that is there so. */
export function createBridge(host: NetlinkSocket, network: NetworkRecord, owner: string): void {
  const { link: name } = network;
  const options = bridgeOptions(network.options);
  let link = findLink(host, name);
  if (link && link.kind !== "bridge")
    throw new EngineError("internal", `existing interface ${name} is not a bridge`);
  if (!link) {
    const mtu = options.mtu > 0 ? { mtu: options.mtu } : {};
    // A bridge without a MAC of its own has that of its lowest port, and so another whenever one comes or goes. Snooping
    // would hold back no multicast either, as nobody here asks who listens; but whenever a port comes up or goes down,
    // the kernel then sets the timers of all.
    host.batch([
      newLink({ name, mac: randomMac(), ...mtu }, { kind: "bridge", multicastSnooping: false }),
      changeLink(name, { alias: owner }),
    ]);
    link = findLink(host, name)!;
  } else if (options.mtu > 0 && link.mtu !== options.mtu) {
    host.request(changeLink(link.index, { mtu: options.mtu }));
  }
  const ours = link.alias === owner;
  if (ours || network.predefined) setHostSysctl(name, "accept_ra", "0");
  if (network.enableIPv6) setHostSysctl(name, "disable_ipv6", options.mode6 === "isolated" ? "1" : "0");
  setAddresses(host, link, wantedAddresses(network), ours);
  host.request(changeLink(link.index, { up: true }));
}

/** The gateways, unless the host is not to have them. */
function wantedAddresses(network: NetworkRecord): string[] {
  const { inhibit4, mode4, mode6 } = bridgeOptions(network.options);
  return network.ipam.pools.flatMap(({ subnet, gateway }) => {
    const four = !subnet.includes(":");
    const without = four
      ? !network.enableIPv4 || inhibit4 || mode4 === "isolated"
      : !network.enableIPv6 || mode6 === "isolated";
    return gateway === undefined || gateway === "" || without
      ? []
      : [`${gateway}/${subnet.slice(subnet.indexOf("/") + 1)}`];
  });
}

/** Adds what is wanted; on a bridge of ours removes what else is there, but link-local addresses. */
function setAddresses(host: NetlinkSocket, link: Link, wanted: readonly string[], ours: boolean): void {
  const there = listAddresses(host, link.index).map(({ address }) => address);
  const gone = ours ? there.filter((each) => !wanted.includes(each) && !/^fe80:/.test(each)) : [];
  const fresh = wanted.filter((each) => !there.includes(each));
  const messages = [
    ...gone.map((address) => deleteAddress(link.index, address)),
    ...fresh.map((address) => addAddress(link.index, address)),
  ];
  if (messages.length === 0) return;
  for (const { error } of host.tryBatch(messages).errors)
    if (error.errno !== ERRNO.EEXIST && error.errno !== ERRNO.EADDRNOTAVAIL) throw error;
}

/** Of the daemon's own namespace. A kernel without IPv6 has none of these. */
function setHostSysctl(link: string, name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${link}/${name}`, value);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
