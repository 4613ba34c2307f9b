/** Puts the room of host ports together with what this host says. */
import { bindPort } from "../../../ffi/inet.ts";
import { closeFd } from "../../../ffi/libc.ts";
import type { Ports, ShimNetworks } from "../types.ts";
import { PortAllocator } from "./allocator.ts";
import { HostPorts, type HostPortsOptions } from "./host-ports.ts";
import { ephemeralRange, reservedPorts } from "./ranges.ts";

export function openPorts(
  shim: Pick<ShimNetworks, "holdPorts">,
  { proxyAll }: Pick<HostPortsOptions, "proxyAll">,
): Ports {
  const allocator = new PortAllocator(ephemeralRange(), reservedPorts());
  let six: boolean | undefined;
  const listens6 = () => {
    six ??= canListen6();
    return six;
  };
  return new HostPorts({ shim, allocator, proxyAll, listens6 });
}

function canListen6(): boolean {
  try {
    closeFd(bindPort({ protocol: "tcp", ip: "::1", port: 0 }));
    return true;
  } catch {
    return false;
  }
}
