/** A container's link in a macvlan or ipvlan network: made on the network's parent, and from the start in the sandbox. */
import { ERRNO, errnoMessage } from "../../../ffi/errno.ts";
import type { NamespaceSysctls } from "../../../ffi/namespace-sysctls.ts";
import { findLink, type Link, type LinkKind, newLink } from "../../../ffi/netlink/links.ts";
import { NetlinkError } from "../../../ffi/netlink/message.ts";
import type { IPVLAN_FLAG, IPVLAN_MODE, MACVLAN_MODE } from "../../../ffi/netlink/route-flags.ts";
import type { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { EngineError } from "../../errors.ts";
import type { EndpointRecord, NetworkRecord } from "../types.ts";
import type { Inside } from "./inside.ts";
import { withKind } from "./kinds.ts";

function kindOf({ driver, options }: NetworkRecord): LinkKind {
  if (driver === "macvlan")
    return { kind: "macvlan", mode: (options.macvlan_mode || "bridge") as keyof typeof MACVLAN_MODE };
  return {
    kind: "ipvlan",
    mode: (options.ipvlan_mode || "l2") as keyof typeof IPVLAN_MODE,
    flag: (options.ipvlan_flag || "bridge") as keyof typeof IPVLAN_FLAG,
  };
}

/** What else is on the parent may leave it no place. */
function refused(kind: string, error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  const reason = errnoMessage(error.errno);
  return new EngineError("internal", `failed to create the ${kind} port: ${reason}`, { cause: error });
}

/** The link inside, configured; what of it is there already is kept. @throws EngineError in Docker's words */
export function attachSublink(
  host: NetlinkSocket,
  inside: Inside,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  sysctls: NamespaceSysctls,
): Link {
  const parent = findLink(host, network.link);
  if (!parent) {
    throw new EngineError(
      "internal",
      `the requested parent interface ${network.link} was not found on the Docker host`,
    );
  }
  const kind = kindOf(network);
  const { namespace } = inside;
  // An ipvlan has its parent's MAC.
  const mac = kind.kind === "macvlan" && endpoint.mac !== "" ? { mac: endpoint.mac } : {};
  try {
    withKind(kind.kind, () =>
      host.batch([newLink({ name: endpoint.link, parent: parent.index, namespace, ...mac }, kind)]),
    );
  } catch (error) {
    const there = findLink(inside.socket, endpoint.link);
    const known = error instanceof NetlinkError && error.errno === ERRNO.EEXIST && there?.kind === kind.kind;
    if (!known) throw refused(kind.kind, error);
  }
  return inside.configure(endpoint, sysctls);
}
