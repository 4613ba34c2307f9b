/**
 * The loopback interface of a new network namespace.
 * @source netdevice(7)
 */
import { IFF } from "../../ffi/netlink/route-flags.ts";
import { SIOCSIFFLAGS } from "../../ffi/netns.ts";
import { SOCK } from "../../ffi/socket-flags.ts";
import { flags, type PlanBuilder } from "./plan.ts";

/** "lo", little endian. */
const LO = 0x6f6c;

/** A new network namespace has a loopback that is down. */
export function bringUpLoopback(plan: PlanBuilder, fd: number): void {
  const label = "bring the loopback interface up";
  const request = plan.struct(40, "{lo, IFF_UP}", [
    [0, "u16", LO],
    [16, "u16", IFF.IFF_UP],
  ]);
  plan.call("socket", [flags(SOCK, "AF_INET"), flags(SOCK, "SOCK_DGRAM", "SOCK_CLOEXEC"), 0], { label, fd });
  plan.call("ioctl", [fd, SIOCSIFFLAGS, request], { label });
}
