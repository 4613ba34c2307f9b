import { MAX_LINK_NAME } from "../../ffi/netlink/links.ts";
import { EngineError } from "../errors.ts";

/** Of a link that is to be made. @throws EngineError invalid for what the kernel would refuse */
export function checkLinkName(name: string): void {
  const wrong = `invalid interface name ${JSON.stringify(name)}`;
  if (!/^[^/:\s]+$/.test(name) || name === "." || name === "..") throw new EngineError("invalid", wrong);
  if (Buffer.byteLength(name) > MAX_LINK_NAME)
    throw new EngineError("invalid", `${wrong}: it is longer than ${MAX_LINK_NAME} bytes`);
}
