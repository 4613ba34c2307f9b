/**
 * The body of a create request, brought to the latest API version: what an older client could not say is
 * dropped, and what it took for granted is filled in. What a service must decide is left alone.
 */
import type { CreateBody } from "../container/config.ts";
import { EngineError } from "../errors.ts";
import type { Engine } from "../services.ts";
import type { Call } from "./call.ts";
import { adaptSysctls } from "./create-sysctls.ts";
import { CONFIG_FIELDS, createRequest } from "./json/requests.ts";

/** With what no longer has a place in the API. */
type Sent = CreateBody & { MacAddress?: unknown; HostConfig?: { Capabilities?: unknown } | null };

/**
 * `warnings` are about the request alone.
 * @throws EngineError invalid for a body that is no JSON, has wrong types, or lacks a configuration
 */
export async function prepareCreate(
  call: Call,
  engine: Engine,
): Promise<{ body: CreateBody; warnings: string[] }> {
  const body = await call.json<Sent>(createRequest, { required: true, known: call.creates });
  if (!Object.keys(body).some((field) => CONFIG_FIELDS.includes(field))) {
    throw new EngineError("invalid", "config cannot be empty in order to create a container");
  }
  adaptHost(call, body, engine);
  adaptMounts(call, body);
  adaptNetworking(call, body);
  const warnings = adaptLegacy(call, body);
  return { body, warnings: [...warnings, ...adaptSysctls(call, body)] };
}

/** Fields that newer versions do not have, as the versions that had them meant them. */
function adaptLegacy(call: Call, body: Sent): string[] {
  const { MacAddress: mac } = body;
  const capabilities = body.HostConfig?.Capabilities;
  delete body.MacAddress;
  delete body.HostConfig?.Capabilities;
  if (call.version === "1.40" && Array.isArray(capabilities) && capabilities.length > 0) {
    throw new EngineError(
      "invalid",
      "the HostConfig.Capabilities field is not supported by this daemon; use CapAdd and CapDrop to set capabilities",
    );
  }
  if (!call.before("1.52") || typeof mac !== "string" || mac === "") return [];
  return adaptMacAddress(call, body, mac);
}

/** The whole container's address is that of its main network. */
function adaptMacAddress(call: Call, body: CreateBody, mac: string): string[] {
  const mode = body.HostConfig?.NetworkMode || "default";
  const network = mode === "default" ? "bridge" : mode;
  const hasOwn = !["none", "host"].includes(network) && !network.startsWith("container:");
  if (!hasOwn && call.before("1.44")) {
    throw new EngineError("invalid", "conflicting options: mac-address and the network mode");
  }
  if (hasOwn) {
    const endpoints = body.NetworkingConfig?.EndpointsConfig ?? {};
    const name = network in endpoints ? network : mode;
    const endpoint = endpoints[name] ?? {};
    if (endpoint.MacAddress && endpoint.MacAddress !== mac) {
      throw new EngineError(
        "invalid",
        "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
      );
    }
    body.NetworkingConfig = {
      EndpointsConfig: { ...endpoints, [name]: { ...endpoint, MacAddress: mac } },
    };
  }
  if (call.before("1.44")) return [];
  return [
    "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.",
  ];
}

function adaptHost(call: Call, body: CreateBody, engine: Engine): void {
  body.HostConfig ??= {};
  const host = body.HostConfig;
  if (call.before("1.40")) host.IpcMode ||= "shareable";
  if (call.before("1.41") && !engine.system.cgroupV2) host.CgroupnsMode ||= "host";
  if (call.before("1.42")) host.ConsoleSize = [0, 0];
  if (call.before("1.43")) delete host.Annotations;
  if (call.before("1.44") && body.Healthcheck) body.Healthcheck.StartInterval = 0;
}

function adaptMounts(call: Call, body: CreateBody): void {
  for (const mount of body.HostConfig?.Mounts ?? []) {
    const { Type = "" } = mount;
    const options = { volume: mount.VolumeOptions, bind: mount.BindOptions, tmpfs: mount.TmpfsOptions };
    if (call.before("1.42")) {
      // Options of another type were not looked at.
      if (Type !== "volume") delete mount.VolumeOptions;
      if (Type !== "tmpfs") delete mount.TmpfsOptions;
      if (mount.BindOptions) mount.BindOptions.CreateMountpoint = false;
    } else {
      for (const [type, given] of Object.entries(options)) {
        if (!given || Type === type) continue;
        const name = `${type[0]!.toUpperCase()}${type.slice(1)}Options`;
        throw new EngineError(
          "invalid",
          `${name} must not be specified on mount type ${JSON.stringify(Type)}`,
        );
      }
    }
    if (call.before("1.40") && mount.BindOptions) mount.BindOptions.NonRecursive = false;
    if (call.before("1.44") && Type === "bind") {
      if (mount.BindOptions?.ReadOnlyForceRecursive) {
        throw new EngineError("invalid", "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
      }
      // Read-only mounts were not recursive then.
      if (mount.ReadOnly) mount.BindOptions = { ...mount.BindOptions, ReadOnlyNonRecursive: true };
    }
    if (call.before("1.45") && mount.VolumeOptions?.Subpath) {
      throw new EngineError("invalid", "VolumeOptions.Subpath needs API v1.45 or newer");
    }
    if (call.before("1.48") && Type === "image")
      throw new EngineError("invalid", 'Mount type "Image" needs API v1.48 or newer');
  }
}

function adaptNetworking(call: Call, body: CreateBody): void {
  const endpoints = body.NetworkingConfig?.EndpointsConfig ?? {};
  for (const endpoint of Object.values(endpoints)) {
    // Came with 1.48 and 1.44: what an older client sends there was never looked at.
    if (call.before("1.48")) delete endpoint?.GwPriority;
    if (call.before("1.44")) delete endpoint?.MacAddress;
  }
  if (!call.before("1.44")) return;
  const names = Object.keys(endpoints);
  if (names.length > 1) {
    throw new EngineError(
      "invalid",
      `Container cannot be created with multiple network endpoints: ${names.join(", ")}`,
    );
  }
}
