/**
 * ts-proxy as a plan of the stage: a program of a few KB that splices, for all ports of an exec root. JavaScript copies
 * every byte twice, and has no way to tell from which of its addresses a datagram's reply has to come.
 */
import { dirname } from "node:path";
import { ERRNO } from "../../../ffi/errno.ts";
import { AT } from "../../../ffi/file.ts";
import { PR, RLIMIT } from "../../../ffi/process.ts";
import { SOCK } from "../../../ffi/socket-flags.ts";
import { openHost } from "../../runtime/inside.ts";
import { unixAddress } from "../../runtime/io.ts";
import { flags, named, type Plan, PlanBuilder } from "../../runtime/plan.ts";
import type { HeldPort } from "../types.ts";
import { encodeTold, OP } from "./told.ts";

const NAME = "ts-proxy";
/** Two for each connection, and two for each direction that is held up. */
const DESCRIPTORS = 1_048_576;

function begin(plan: PlanBuilder): void {
  plan.call("prctl", [named("PR_SET_NAME", PR.PR_SET_NAME), plan.string(NAME)], { label: `name ${NAME}` });
  const limit = plan.struct(16, `{${DESCRIPTORS}, ${DESCRIPTORS}}`, [
    [0, "u64", DESCRIPTORS],
    [8, "u64", DESCRIPTORS],
  ]);
  const which = named("RLIMIT_NOFILE", RLIMIT.RLIMIT_NOFILE);
  // Where the machine refuses so many, it has what it was started with.
  plan.call("prlimit64", [0, which, limit, 0], { label: "raise RLIMIT_NOFILE", tolerate: "all" });
}

/** One that is told of its ports at a socket of this path, which it makes. */
export function proxyPlan(path: string): Plan {
  const plan = new PlanBuilder();
  const [listen, folder] = [plan.fd(), plan.fd()];
  begin(plan);
  plan.call("setsid", [], { label: "setsid", tolerate: [ERRNO.EPERM] });
  const label = `make the proxy's socket ${path}`;
  const address = unixAddress(plan, path);
  plan.call("unlinkat", [AT.AT_FDCWD, plan.string(path), 0], { label, tolerate: [ERRNO.ENOENT] });
  const type = flags(SOCK, "SOCK_SEQPACKET", "SOCK_CLOEXEC", "SOCK_NONBLOCK");
  plan.call("socket", [flags(SOCK, "AF_UNIX"), type, 0], { label, fd: listen });
  plan.call("bind", [listen, address, address.size], { label });
  plan.call("listen", [listen, 4], { label });
  openHost(plan, dirname(path), ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], { label, fd: folder });
  plan.add({ op: "proxy", listen, folder, label: "forward ports" });
  return plan.build();
}

/** One for a single port, as docker-proxy is: it has the port's socket as `fd`. */
export function singleProxyPlan(port: HeldPort, fd: number): Plan {
  const plan = new PlanBuilder();
  begin(plan);
  const ports = plan.bytes(encodeTold({ op: OP.add, value: fd, port }), "one port");
  plan.add({ op: "proxy", first: { ports, count: 1 }, label: "forward a port" });
  return plan.build();
}
