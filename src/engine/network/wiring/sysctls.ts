/** Sysctls of one endpoint's link, asked for with `com.docker.network.endpoint.sysctls`. */
import type { SysctlFile } from "../../../ffi/namespace-sysctls.ts";
import { EngineError } from "../../errors.ts";
import { ENDPOINT_SYSCTLS } from "../driver-options.ts";
import type { EndpointRecord } from "../types.ts";

/** One component of a path, and never one that leads elsewhere. */
const COMPONENT = /^[a-z0-9][a-z0-9_-]*$/i;

/** `net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.…`. @throws EngineError in Docker's words */
export function endpointSysctls({ link, driverOpts }: EndpointRecord): SysctlFile[] {
  const asked = driverOpts[ENDPOINT_SYSCTLS];
  if (!asked) return [];
  return asked.split(",").map((text) => {
    const equals = text.indexOf("=");
    if (equals < 0) throw wrong(`expected sysctl '${text}' to have format name=value`);
    const parts = text.slice(0, equals).split(".");
    if (parts.length !== 5) throw wrong(`expected sysctl '${text}' to have format net.X.Y.IFNAME.Z`);
    const [net, family, group, , name] = parts as [string, string, string, string, string];
    const path = [net, family, group, link, name].join("/");
    if (net !== "net" || ![family, group, name].every((part) => COMPONENT.test(part)))
      throw wrong(`/proc/sys/${path} is not a sysctl file`);
    return { path, value: text.slice(equals + 1) };
  });
}

const wrong = (message: string): EngineError => new EngineError("internal", message);
