/** Neighbours: which MAC a link's other stations have. @source rtnetlink(7), linux/neighbour.h */
import { attribute } from "./attributes.ts";
import { NLM_F } from "./flags.ts";
import { addressBytes, familyOf, macBytes } from "./ip.ts";
import type { Message } from "./message.ts";
import { NDA, RTM } from "./route-flags.ts";

/** Corrects what the kernel knows of a neighbour. ENOENT when it knows none of that address. */
export function updateNeighbour(index: number, address: string, mac: string): Message {
  const bytes = addressBytes(address);
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  header[0] = familyOf(bytes);
  view.setInt32(4, index, true);
  view.setUint16(8, NDA.NUD_STALE, true);
  return {
    type: RTM.RTM_NEWNEIGH,
    flags: NLM_F.NLM_F_REPLACE | NLM_F.NLM_F_ACK,
    body: [header, attribute(NDA.NDA_DST, bytes), attribute(NDA.NDA_LLADDR, macBytes(mac))],
    what: `update neighbour ${address}`,
  };
}
