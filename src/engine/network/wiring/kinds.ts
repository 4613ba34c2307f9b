/** Kinds of links that a kernel may not have. */
import { ERRNO } from "../../../ffi/errno.ts";
import { NetlinkError } from "../../../ffi/netlink/message.ts";
import { EngineError } from "../../errors.ts";

/** Says it in words when the kernel knows no such kind. */
export function withKind<T>(kind: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== ERRNO.EOPNOTSUPP) throw error;
    throw new EngineError("internal", `the kernel has no ${kind}: ${error.message}`, { cause: error });
  }
}
