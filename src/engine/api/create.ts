/**
 * The body of a create request, brought to the latest API version: what an older client could not say is
 * dropped, and what it took for granted is filled in. What a service must decide is left alone.
 */
import type { CreateBody } from "../container/config.ts";
import { EngineError } from "../errors.ts";
import type { Engine } from "../services.ts";
import type { Call } from "./call.ts";
import { CONFIG_FIELDS, createRequest } from "./json/requests.ts";

/** @throws EngineError invalid for a body that is no JSON, has wrong types, or lacks a configuration */
export async function prepareCreate(call: Call, engine: Engine): Promise<CreateBody> {
  const body = await call.json<CreateBody & { MacAddress?: string }>(createRequest, { required: true });
  if (!Object.keys(body).some((field) => CONFIG_FIELDS.includes(field))) {
    throw new EngineError("invalid", "config cannot be empty in order to create a container");
  }
  adaptHost(call, body, engine);
  adaptMounts(call, body);
  if (call.before("1.44")) adaptNetworking(body);
  return body;
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

function adaptNetworking(body: CreateBody): void {
  const names = Object.keys(body.NetworkingConfig?.EndpointsConfig ?? {});
  if (names.length > 1) {
    throw new EngineError(
      "invalid",
      `Container cannot be created with multiple network endpoints: ${names.join(", ")}`,
    );
  }
}
