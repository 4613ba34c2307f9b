/**
 * Settings of a container's link among those of the container, which older clients sent there: they belong to the
 * endpoint, because links have no names before it is connected.
 * @source moby, daemon/server/router/container/container_routes.go, handleSysctlBC
 */
import type { CreateBody, EndpointConfig } from "../container/config.ts";
import { EngineError } from "../errors.ts";
import type { Call } from "./call.ts";

const OPTION = "com.docker.network.endpoint.sysctls";
/** Docker answers these with a failure of its own. */
const failed = (message: string): EngineError => new EngineError("internal", message);

/** Warnings for the client. @throws EngineError */
export function adaptSysctls(call: Call, body: CreateBody): string[] {
  const mode = body.HostConfig?.NetworkMode || "default";
  const sysctls = body.HostConfig?.Sysctls;
  if (!sysctls || mode === "host" || mode.startsWith("container:")) return [];
  const moved: string[] = [];
  const settings: string[] = [];
  for (const [name, value] of Object.entries(sysctls)) {
    const match = /^net\.([^.]*)\.([^.]*)\.(eth[^.]*)\.(.*)$/.exec(name);
    if (!match) continue;
    const [, family, kind, link, rest] = match;
    if (!call.before("1.48")) {
      throw failed(
        `interface specific sysctl setting ${JSON.stringify(name)} must be supplied using driver option '${OPTION}'`,
      );
    }
    if (link !== "eth0") {
      throw failed(
        `unable to determine network endpoint for sysctl ${name}, use driver option '${OPTION}' to set per-interface sysctls`,
      );
    }
    moved.push(name);
    settings.push(`net.${family}.${kind}.IFNAME.${rest}=${value}`);
  }
  if (moved.length === 0) return [];
  const endpoint = mainEndpoint(call, body, mode, moved[0]!);
  const added = settings.join(",");
  const own = endpoint.DriverOpts?.[OPTION];
  endpoint.DriverOpts = { ...endpoint.DriverOpts, [OPTION]: own ? `${added},${own}` : added };
  for (const name of moved) delete sysctls[name];
  return [
    `Migrated sysctl ${JSON.stringify(moved.join(","))} to DriverOpts{${JSON.stringify(OPTION)}:${JSON.stringify(added)}}.`,
  ];
}

/** Of the network that the network mode names. */
function mainEndpoint(call: Call, body: CreateBody, mode: string, sysctl: string): EndpointConfig {
  const network = mode === "default" ? "bridge" : mode;
  const endpoints = { ...body.NetworkingConfig?.EndpointsConfig };
  const names = Object.keys(endpoints);
  // Before 1.44 there is one at most, and it is meant whatever its name.
  const name = call.before("1.44") && names[0] ? names[0] : [network, mode].find((one) => one in endpoints);
  if (name === undefined && names.length > 0) {
    throw failed(
      `unable to find a network for sysctl ${sysctl}: HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks`,
    );
  }
  const endpoint = { ...endpoints[name ?? network] };
  endpoints[name ?? network] = endpoint;
  body.NetworkingConfig = { EndpointsConfig: endpoints };
  return endpoint;
}
