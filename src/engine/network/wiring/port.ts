/** A container's link in a bridge network: a veth pair, one end a port of the bridge, the other in the sandbox. */
import { readFileSync } from "node:fs";
import { ERRNO } from "../../../ffi/errno.ts";
import type { NamespaceSysctls } from "../../../ffi/namespace-sysctls.ts";
import { changeLink, findLink, type Link, newLink } from "../../../ffi/netlink/links.ts";
import { updateNeighbour } from "../../../ffi/netlink/neighbours.ts";
import type { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { EngineError } from "../../errors.ts";
import { bridgeOptions } from "../driver-options.ts";
import type { EndpointRecord, NetworkRecord } from "../types.ts";
import type { Inside } from "./inside.ts";

/**
 * Makes and configures the pair; what of it is there already is kept. Returns the bridge.
 * @throws EngineError when the bridge is not there, or the sandbox has another link of that name
 */
export async function attachPort(
  host: NetlinkSocket,
  inside: Inside,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  { owner, sysctls }: { owner: string; sysctls: NamespaceSysctls },
): Promise<Link> {
  const bridge = findLink(host, network.link);
  if (!bridge) throw new EngineError("internal", `bridge ${network.link} does not exist`);
  makePair(host, inside, network, endpoint, bridge);
  raise(host, endpoint.hostLink, owner);
  inside.configure(endpoint, sysctls);
  forgetLastHolder(host, bridge, endpoint);
  await forwards(host, bridge, endpoint.hostLink);
  return bridge;
}

/**
 * The host's end first: then the link works as soon as the container's end is up. What changes while it is down costs
 * nothing; of what changes in one that is up, the bridge hears, and looks through all its ports.
 */
function raise(host: NetlinkSocket, port: string, owner: string): void {
  const { errors } = host.tryBatch([
    changeLink(port, { alias: owner, ...(needsHairpin() && { hairpin: true }) }),
    // Nobody speaks to a port. With an address it would ask whether that is another's, and for routers, and have a route
    // in a list that the kernel walks for each.
    changeLink(port, { noLinkLocal: true }),
    changeLink(port, { up: true }),
  ]);
  for (const { error } of errors) if (error.errno !== ERRNO.EAFNOSUPPORT) throw error;
}

/** How long to wait for it: longer only where the user's bridge speaks the spanning tree protocol. */
const FORWARDS_MS = 200;

/**
 * The kernel hears of a link's other end a moment later, and until then the bridge drops what the container sends. Newer
 * ones look at once when they are asked.
 */
async function forwards(host: NetlinkSocket, bridge: Link, port: string): Promise<void> {
  const end = performance.now() + FORWARDS_MS;
  // Its first port makes the bridge itself operational.
  const works = () => bridge.operational || findLink(host, bridge.name)?.operational;
  while (!(findLink(host, port)?.forwarding && works())) {
    if (performance.now() > end) return;
    await Bun.sleep(1);
  }
}

function makePair(
  host: NetlinkSocket,
  inside: Inside,
  network: NetworkRecord,
  { hostLink, link, mac }: EndpointRecord,
  bridge: Link,
): void {
  const { mtu } = bridgeOptions(network.options);
  const size = mtu > 0 ? { mtu } : {};
  // Born in its namespace under its final name: it is never seen elsewhere, and never renamed.
  const peer = { name: link, mac, namespace: inside.namespace, ...size };
  const create = newLink({ name: hostLink, master: bridge.index, ...size }, { kind: "veth", peer });
  const [failure] = host.tryBatch([create]).errors;
  if (!failure) return;
  if (failure.error.errno !== ERRNO.EEXIST) throw failure.error;
  const ours = findLink(host, hostLink);
  const theirs = findLink(inside.socket, link);
  if (ours?.kind === "veth" && theirs?.kind === "veth" && ours.parent === theirs.index) return;
  throw new EngineError("internal", `link ${ours ? hostLink : link} already exists`, {
    cause: failure.error,
  });
}

/** The host itself does not hear what is announced on its bridge. */
function forgetLastHolder(host: NetlinkSocket, bridge: Link, { ipv4, ipv6, mac }: EndpointRecord): void {
  const messages = [ipv4, ipv6]
    .filter((address) => address !== undefined)
    .map((address) => updateNeighbour(bridge.index, address.split("/")[0]!, mac));
  if (messages.length > 0) host.tryBatch(messages);
}

/**
 * With br_netfilter a packet that is sent to a published port by the container that published it is turned round within
 * the bridge, which a port only allows in this mode. Without, the host routes it, and the mode would only echo.
 */
function needsHairpin(): boolean {
  try {
    return readFileSync("/proc/sys/net/bridge/bridge-nf-call-iptables", "utf8").startsWith("1");
  } catch {
    return false;
  }
}
