/**
 * A network namespace ahead of the next container that is wired: made while the one before is being started by the shim.
 * Nothing leads to it but a descriptor.
 */
import { changeLink } from "../../../ffi/netlink/links.ts";
import { newNamespace } from "../../../ffi/netns.ts";
import { Spare } from "../../spare.ts";
import { Inside } from "./inside.ts";

/** The container's own steps between its links and the shim come first. */
const BEHIND_MS = 4;

/** A new one with `lo` up, which the caller disposes of. */
export function freshNamespace(): Inside {
  const inside = new Inside(newNamespace(), true);
  try {
    inside.socket.request(changeLink("lo", { up: true }));
    return inside;
  } catch (error) {
    inside[Symbol.dispose]();
    throw error;
  }
}

export const spareNamespace = (): Spare<Inside> => new Spare(freshNamespace, BEHIND_MS);
