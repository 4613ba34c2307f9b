/** Records as the service writes them, for tests of wiring and firewall without a daemon. */
import { createHash } from "node:crypto";
import type { EndpointRecord, NetworkRecord, SandboxRecord } from "../../src/engine/network/types.ts";

const id = (name: string): string => createHash("sha256").update(name).digest("hex");

/** A bridge network `br-NAME` with 10.88.N.0/24 and fd00:88:N::/64, N being `number`. */
export function networkRecord(
  name: string,
  number: number,
  more: Partial<NetworkRecord> = {},
): NetworkRecord {
  const enableIPv6 = more.enableIPv6 ?? false;
  const six = { subnet: `fd00:88:${number}::/64`, gateway: `fd00:88:${number}::1` };
  const four = { subnet: `10.88.${number}.0/24`, gateway: `10.88.${number}.1` };
  return {
    id: id(name),
    name,
    created: "2026-01-01T00:00:00.000000000Z",
    driver: "bridge",
    enableIPv4: true,
    enableIPv6,
    internal: false,
    attachable: false,
    configOnly: false,
    configFrom: "",
    options: {},
    labels: {},
    ipam: { driver: "default", options: null, pools: enableIPv6 ? [four, six] : [four] },
    link: `br-${name}`,
    ownsLink: false,
    predefined: false,
    ...more,
  };
}

let endpoints = 0;

/** The host numbered `last` of a network; `eth0` unless `more` says. */
export function endpointRecord(
  network: NetworkRecord,
  last: number,
  more: Partial<EndpointRecord> = {},
): EndpointRecord {
  const number = ++endpoints;
  const [four, six] = network.ipam.pools;
  const address = (pool: { subnet: string }): string => {
    const [base, bits] = pool.subnet.split("/") as [string, string];
    return `${base.includes(":") ? base + last.toString(16) : base.replace(/\d+$/, String(last))}/${bits}`;
  };
  const bytes = [last, number >> 8, number & 0xff].map((byte) => byte.toString(16).padStart(2, "0"));
  return {
    id: id(`endpoint ${number}`),
    network: network.id,
    container: id(`container ${last}`),
    hostLink: `veth${process.pid.toString(16)}${number}`.slice(0, 15),
    link: "eth0",
    mac: `02:00:88:${bytes.join(":")}`,
    ipv4: address(four!),
    ...(four?.gateway !== undefined && { gateway4: four.gateway }),
    ...(six && { ipv6: address(six), ...(six.gateway !== undefined && { gateway6: six.gateway }) }),
    linkLocal: [],
    default4: true,
    default6: six !== undefined,
    driverOpts: {},
    ports: [],
    ...more,
  };
}

/** `<folder>/netns/NAME`. */
export const sandboxRecord = (folder: string, name: string): SandboxRecord => ({
  id: id(name),
  path: `${folder}/netns/${name}`,
});
