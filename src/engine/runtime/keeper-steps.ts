/**
 * What makes the stage a keeper: a socket, the exit record, and the role of a subreaper.
 */
import { ERRNO } from "../../ffi/errno.ts";
import { PR } from "../../ffi/process.ts";
import { SOCK } from "../../ffi/socket-flags.ts";
import { openHost } from "./inside.ts";
import { unixAddress } from "./io.ts";
import { flags, type PlanBuilder } from "./plan.ts";

/** What a keeper needs (design.md, section 5). */
export interface KeeperOptions {
  /** Where its socket will be: at most 107 bytes, in a folder that is root's alone. */
  socket: string;
  /** The exit record, on a tmpfs. */
  record: string;
  /** /proc/sys/kernel/random/boot_id */
  bootId: string;
}

/** Values of SYNC, for whoever started the stage with a control socket. */
export const SYNC = {
  /** The container's pid, in the host's namespace. */
  pid: 1,
  /**
   * Everything but the command is there: hooks may run; answer to go on. Its value: the pid of who asks, when the
   * container has none yet, since it joins a pid namespace; else 0.
   */
  hooks: 2,
} as const;

export interface Kept {
  listen: number;
  record: number;
}

/** The socket, listening, and the exit record, with its room taken: a full tmpfs must not lose an exit. */
export function openKeeper(plan: PlanBuilder, keeper: KeeperOptions): Kept {
  const [listen, record] = [plan.fd(), plan.fd()];
  plan.call("setsid", [], { label: "setsid", tolerate: [ERRNO.EPERM] });
  plan.call("prctl", [flags(PR, "PR_SET_CHILD_SUBREAPER"), 1, 0, 0, 0], { label: "become a subreaper" });
  const label = `make the keeper's socket ${keeper.socket}`;
  const address = unixAddress(plan, keeper.socket);
  plan.call(
    "socket",
    [flags(SOCK, "AF_UNIX"), flags(SOCK, "SOCK_STREAM", "SOCK_CLOEXEC", "SOCK_NONBLOCK"), 0],
    { label, fd: listen },
  );
  plan.call("bind", [listen, address, address.size], { label });
  plan.call("listen", [listen, 4], { label });
  const noteLabel = `make the exit record ${keeper.record}`;
  openHost(plan, keeper.record, ["O_RDWR", "O_CREAT", "O_TRUNC", "O_CLOEXEC"], {
    label: noteLabel,
    fd: record,
    mode: 0o600,
  });
  plan.call("fallocate", [record, 0, 0, 4096], { label: noteLabel });
  return { listen, record };
}
