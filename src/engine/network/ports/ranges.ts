/** The ports that the kernel gives out by itself, and we when nothing is asked: /proc/sys/net/ipv4, ip-sysctl.rst. */
import { readFileSync } from "node:fs";

export interface PortRange {
  start: number;
  end: number;
}

/** Docker's, where the kernel does not say. */
const FALLBACK: PortRange = { start: 49153, end: 65535 };

export function ephemeralRange(read = readSetting): PortRange {
  const [start, end] = read("ip_local_port_range").trim().split(/\s+/).map(Number);
  const good =
    Number.isInteger(start) && Number.isInteger(end) && start! > 0 && end! >= start! && end! < 65_536;
  return good ? { start: start!, end: end! } : FALLBACK;
}

/** `8080,9000-9010`: what the kernel never gives out by itself. What cannot be read is nothing. */
export function reservedPorts(read = readSetting): ReadonlySet<number> {
  const reserved = new Set<number>();
  for (const entry of read("ip_local_reserved_ports").trim().split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(entry);
    if (!match) continue;
    const end = Math.min(Number(match[2] ?? match[1]), 65_535);
    for (let port = Number(match[1]); port <= end; port++) reserved.add(port);
  }
  return reserved;
}

function readSetting(name: string): string {
  try {
    return readFileSync(`/proc/sys/net/ipv4/${name}`, "utf8");
  } catch {
    return "";
  }
}
