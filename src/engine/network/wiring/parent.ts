/** What macvlan and ipvlan networks are on: a link of the host's, a VLAN of one, or a dummy that leads nowhere. */
import { changeLink, findLink, type LinkKind, MAX_LINK_NAME, newLink } from "../../../ffi/netlink/links.ts";
import type { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { EngineError } from "../../errors.ts";
import type { NetworkRecord } from "../types.ts";
import { withKind } from "./kinds.ts";

/** Makes the parent if it is not there and its name says how. @throws EngineError in Docker's words */
export function createParent(host: NetlinkSocket, { id, link: name }: NetworkRecord, owner: string): void {
  if (findLink(host, name)) return;
  if (name === `dm-${id.slice(0, 12)}` || name === `di-${id.slice(0, 12)}`) {
    make(host, name, { kind: "dummy" }, owner);
    return;
  }
  const { parent, vlan } = parseVlan(host, name);
  if (vlan < 1 || vlan > 4094)
    throw new EngineError("internal", `vlan id must be between 1-4094, received: ${vlan}`);
  if (Buffer.byteLength(name) > MAX_LINK_NAME)
    throw new EngineError("internal", `failed to create ${name} vlan link: numerical result out of range`);
  make(host, name, { kind: "vlan", id: vlan }, owner, parent);
}

function make(host: NetlinkSocket, name: string, kind: LinkKind, owner: string, parent?: number): void {
  withKind(kind.kind, () =>
    host.batch([
      newLink({ name, ...(parent !== undefined && { parent }) }, kind),
      changeLink(name, { alias: owner, up: true }),
    ]),
  );
}

/** `eth0.50` @source moby, daemon/libnetwork/drivers/macvlan/macvlan_setup.go, parseVlan */
function parseVlan(host: NetlinkSocket, name: string): { parent: number; vlan: number } {
  const wrong = (message: string): EngineError => new EngineError("internal", message);
  if (!name.includes("."))
    throw wrong(`invalid subinterface vlan name ${name}, example formatting is eth0.10`);
  const [base = "", id = "", more] = name.split(".");
  if (more !== undefined) {
    throw wrong(
      `required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received ${name}`,
    );
  }
  if (!/^[+-]?\d+$/.test(id))
    throw wrong(`unable to parse a valid vlan id from: ${id} (ex. eth0.10 for vlan 10)`);
  const link = findLink(host, base);
  if (!link) throw wrong(`-o parent interface was not found on the host: ${base}`);
  return { parent: link.index, vlan: Number(id) };
}
