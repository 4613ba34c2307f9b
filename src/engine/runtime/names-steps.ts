/**
 * The sockets at which a container's names are answered (design.md, section 8): bound inside its network namespace, held
 * by its keeper, so that queries wait there while the shim is replaced.
 */
import { SOCK } from "../../ffi/socket-flags.ts";
import { openHost } from "./inside.ts";
import type { Held } from "./io.ts";
import { type NamespacePlan, namespaceFlag } from "./namespaces.ts";
import { flags, type PlanBuilder } from "./plan.ts";

/** Ports on 127.0.0.11, to which a rule inside sends port 53. */
export interface NamesPorts {
  udp: number;
  tcp: number;
}

/** Docker's address of the resolver: 127.0.0.11. */
const RESOLVER = [127, 0, 0, 11];
/** Queries over TCP are few. */
const BACKLOG = 128;

/**
 * In the first process, before the clone: it is in the container's network namespace only for these calls. Nothing is
 * made where the namespace is not one that is joined: it has no rule for names then.
 */
export function openNames(plan: PlanBuilder, namespaces: NamespacePlan, ports: NamesPorts): Held[] {
  const network = namespaces.joined.find(({ type }) => type === "network");
  if (network === undefined) return [];
  const [home, udp, tcp] = [plan.fd(), plan.fd(), plan.fd()];
  const path = "/proc/self/ns/net";
  openHost(plan, path, ["O_RDONLY", "O_CLOEXEC"], { label: `open ${path}`, fd: home });
  plan.call("setns", [network.fd, namespaceFlag("network")], { label: "enter the network namespace" });
  bindTo(plan, udp, "SOCK_DGRAM", ports.udp);
  bindTo(plan, tcp, "SOCK_STREAM", ports.tcp);
  plan.call("listen", [tcp, BACKLOG], { label: "listen for queries" });
  plan.call("setns", [home, namespaceFlag("network")], { label: "leave the network namespace" });
  return [
    { name: "namesUdp", fd: udp },
    { name: "namesTcp", fd: tcp },
  ];
}

function bindTo(plan: PlanBuilder, fd: number, type: "SOCK_DGRAM" | "SOCK_STREAM", port: number): void {
  const label = `bind 127.0.0.11:${port} for queries`;
  const address = plan.struct(16, `{AF_INET, 127.0.0.11:${port}}`, [
    [0, "u16", SOCK.AF_INET],
    [2, "u8", port >> 8],
    [3, "u8", port & 0xff],
    ...RESOLVER.map((byte, i) => [4 + i, "u8", byte] as const),
  ]);
  plan.call("socket", [flags(SOCK, "AF_INET"), flags(SOCK, type, "SOCK_CLOEXEC", "SOCK_NONBLOCK"), 0], {
    label,
    fd,
  });
  plan.call("bind", [fd, address, address.size], { label });
}
