/** Routes of the main table. @source rtnetlink(7), linux/rtnetlink.h */
import { asU32, attribute, attributeMap, u32 } from "./attributes.ts";
import { NLM_F } from "./flags.ts";
import { addressBytes, addressText, familyOf, prefix, prefixText } from "./ip.ts";
import type { Message, Reply } from "./message.ts";
import { AF, RTA, RTM } from "./route-flags.ts";
import type { NetlinkSocket } from "./socket.ts";

const SIZE = 12;

export interface Route {
  family: 4 | 6;
  /** A prefix; absent: the default route. */
  destination?: string;
  /** Absent: everything is on the link. */
  gateway?: string;
  /** The link's index. */
  index: number;
  /** Absent: the kernel's own, 0 for IPv4 and 1024 for IPv6. */
  metric?: number;
  /** Read, not written: beside these another route may have the same destination, metric and gateway. */
  tos?: number;
  protocol?: number;
  source?: string;
}

function message(type: number, flags: number, what: string, route: Route): Message {
  const header = new Uint8Array(SIZE);
  const destination = route.destination === undefined ? undefined : prefix(route.destination);
  header[0] = route.family === 4 ? AF.AF_INET : AF.AF_INET6;
  header[1] = destination?.length ?? 0;
  header[4] = RTA.RT_TABLE_MAIN;
  header[5] = RTA.RTPROT_BOOT;
  header[6] = route.gateway === undefined && route.family === 4 ? RTA.RT_SCOPE_LINK : RTA.RT_SCOPE_UNIVERSE;
  header[7] = RTA.RTN_UNICAST;
  const body: Uint8Array[] = [header];
  if (destination) body.push(attribute(RTA.RTA_DST, destination.bytes));
  if (route.gateway !== undefined) body.push(attribute(RTA.RTA_GATEWAY, addressBytes(route.gateway)));
  body.push(u32(RTA.RTA_OIF, route.index));
  if (route.metric !== undefined) body.push(u32(RTA.RTA_PRIORITY, route.metric));
  return { type, flags: flags | NLM_F.NLM_F_ACK, body, what };
}

const describe = ({ destination, gateway }: Route): string =>
  `route to ${destination ?? "default"}${gateway === undefined ? "" : ` via ${gateway}`}`;

/** EEXIST when there is one of that destination and metric; ENETUNREACH when no link has the gateway. */
export const addRoute = (route: Route): Message =>
  message(RTM.RTM_NEWROUTE, NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL, `add ${describe(route)}`, route);

/** ESRCH when it is not there. */
export const deleteRoute = (route: Route): Message =>
  message(RTM.RTM_DELROUTE, 0, `delete ${describe(route)}`, route);

/** Of a dump or a notification; undefined for what is no unicast route of the main table. */
export function readRoute({ body }: Reply): Route | undefined {
  const attributes = attributeMap(body.subarray(SIZE));
  const table = asU32(attributes.get(RTA.RTA_TABLE)) || body[4];
  const flags = asU32(body.subarray(8));
  const four = body[0] === AF.AF_INET;
  if (table !== RTA.RT_TABLE_MAIN || body[7] !== RTA.RTN_UNICAST || flags & RTA.RTM_F_CLONED)
    return undefined;
  const route: Route = { family: four ? 4 : 6, index: asU32(attributes.get(RTA.RTA_OIF)) };
  const bytes = attributes.get(RTA.RTA_DST);
  // A prefix of length 0 is the default route, however it is written.
  if (bytes !== undefined && body[1] !== 0) route.destination = prefixText({ bytes, length: body[1]! });
  const gateway = attributes.get(RTA.RTA_GATEWAY);
  if (gateway !== undefined && familyOf(gateway) === body[0]) route.gateway = addressText(gateway);
  const metric = asU32(attributes.get(RTA.RTA_PRIORITY));
  if (metric !== 0) route.metric = metric;
  route.tos = body[3]!;
  route.protocol = body[5]!;
  const source = attributes.get(RTA.RTA_PREFSRC);
  if (source !== undefined) route.source = addressText(source);
  return route;
}

/** Unicast routes of the main table, both families. */
export const listRoutes = (socket: NetlinkSocket): Route[] =>
  [AF.AF_INET, AF.AF_INET6].flatMap((family) => {
    const header = new Uint8Array(SIZE);
    header[0] = family;
    return socket
      .dump({ type: RTM.RTM_GETROUTE, flags: 0, body: [header], what: "list routes" })
      .flatMap((reply) => readRoute(reply) ?? []);
  });
