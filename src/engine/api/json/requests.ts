/**
 * The bodies of Docker's requests, with the names that its Go types have in error messages.
 * @source engine-api-v1.55.yaml; names recorded from 29.7.2 where `reference/docker-29.7.2/errors.txt` has them
 */
import { isIP } from "node:net";
import { healthcheck } from "../../image/config-schema.ts";
import {
  anything,
  array,
  checked,
  embedded,
  flag,
  int,
  int64,
  list,
  map,
  named,
  type Schema,
  struct,
  text,
  uint,
  uint16,
  uint32,
  uint64,
} from "../../json/schema.ts";

const strings = list(text);
const none = struct("struct {}");

function portProblem(port: string): string | undefined {
  if (port === "") return undefined;
  const number = port.split("/", 1)[0]!;
  if (!/^[0-9]+$/.test(number))
    return number === "" ? "invalid port '': value is empty" : `invalid port '${number}': invalid syntax`;
  return Number(number) > 65535 ? `invalid port '${number}': value out of range` : undefined;
}

function addressProblem(address: string): string | undefined {
  if (address === "" || isIP(address.replace(/%.+$/, "")) !== 0) return undefined;
  return `ParseAddr(${JSON.stringify(address)}): unable to parse IP`;
}

/** As Go's netip.ParsePrefix says it. */
function prefixProblem(prefix: string): string | undefined {
  if (prefix === "") return undefined;
  const problem = (reason: string) => `netip.ParsePrefix(${JSON.stringify(prefix)}): ${reason}`;
  const slash = prefix.lastIndexOf("/");
  if (slash < 0) return problem("no '/'");
  const [address, bits] = [prefix.slice(0, slash), prefix.slice(slash + 1)];
  const wrong = addressProblem(address);
  if (address === "" || wrong !== undefined) return problem(wrong ?? 'ParseAddr(""): unable to parse IP');
  if (!/^(0|[1-9]\d*)$/.test(bits)) return problem(`bad bits after slash: ${JSON.stringify(bits)}`);
  return Number(bits) > (isIP(address) === 4 ? 32 : 128) ? problem("prefix length out of range") : undefined;
}

/** Six, eight or twenty bytes, in any of the three ways of Go's net.ParseMAC. */
function macProblem(mac: string): string | undefined {
  const forms = [/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i, /^([0-9a-f]{2}[:-]){7}[0-9a-f]{2}$/i];
  const dotted = /^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(\.[0-9a-f]{4})?$/i;
  if (mac === "" || [...forms, dotted].some((form) => form.test(mac))) return undefined;
  return `address ${mac}: invalid MAC address`;
}

const address = checked("netip.Addr", addressProblem);
const prefix = checked("netip.Prefix", prefixProblem);
const portSet = map(none, { key: "network.Port", checkKey: portProblem });

const config = struct("container.Config", {
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ExposedPorts: portSet,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  Env: strings,
  Cmd: strings,
  Healthcheck: healthcheck,
  ArgsEscaped: flag,
  Image: text,
  Volumes: map(none),
  WorkingDir: text,
  Entrypoint: strings,
  NetworkDisabled: flag,
  OnBuild: strings,
  Labels: map(text),
  StopSignal: text,
  StopTimeout: int,
  Shell: strings,
});

const throttle = list(
  struct("blkiodev.ThrottleDevice", { Path: text, Rate: uint64 }),
  "[]*blkiodev.ThrottleDevice",
);

const resources = struct("container.Resources", {
  CpuShares: int64,
  Memory: int64,
  NanoCpus: int64,
  CgroupParent: text,
  BlkioWeight: uint16,
  BlkioWeightDevice: list(
    struct("blkiodev.WeightDevice", { Path: text, Weight: uint16 }),
    "[]*blkiodev.WeightDevice",
  ),
  BlkioDeviceReadBps: throttle,
  BlkioDeviceWriteBps: throttle,
  BlkioDeviceReadIOps: throttle,
  BlkioDeviceWriteIOps: throttle,
  CpuPeriod: int64,
  CpuQuota: int64,
  CpuRealtimePeriod: int64,
  CpuRealtimeRuntime: int64,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: list(
    struct("container.DeviceMapping", { PathOnHost: text, PathInContainer: text, CgroupPermissions: text }),
  ),
  DeviceCgroupRules: strings,
  DeviceRequests: list(
    struct("container.DeviceRequest", {
      Driver: text,
      Count: int,
      DeviceIDs: strings,
      Capabilities: list(strings),
      Options: map(text),
    }),
  ),
  MemoryReservation: int64,
  MemorySwap: int64,
  MemorySwappiness: int64,
  OomKillDisable: flag,
  PidsLimit: int64,
  Ulimits: list(struct("units.Ulimit", { Name: text, Hard: int64, Soft: int64 }), "[]*units.Ulimit"),
  CpuCount: int64,
  CpuPercent: int64,
  IOMaximumIOps: uint64,
  IOMaximumBandwidth: uint64,
});

const mount = struct("mount.Mount", {
  Type: named("mount.Type", text),
  Source: text,
  Target: text,
  ReadOnly: flag,
  Consistency: named("mount.Consistency", text),
  BindOptions: struct("mount.BindOptions", {
    Propagation: named("mount.Propagation", text),
    NonRecursive: flag,
    CreateMountpoint: flag,
    ReadOnlyNonRecursive: flag,
    ReadOnlyForceRecursive: flag,
  }),
  VolumeOptions: struct("mount.VolumeOptions", {
    NoCopy: flag,
    Labels: map(text),
    Subpath: text,
    DriverConfig: struct("mount.Driver", { Name: text, Options: map(text) }),
  }),
  ImageOptions: struct("mount.ImageOptions", { Subpath: text }),
  TmpfsOptions: struct("mount.TmpfsOptions", {
    SizeBytes: int64,
    Mode: named("fs.FileMode", uint32),
    Options: list(strings),
  }),
  ClusterOptions: struct("mount.ClusterOptions"),
});

const restartPolicy = struct("container.RestartPolicy", {
  Name: named("container.RestartPolicyMode", text),
  MaximumRetryCount: int,
});

const portMap = map(list(struct("network.PortBinding", { HostIp: address, HostPort: text })), {
  key: "network.Port",
  checkKey: portProblem,
});

const hostConfig = struct(
  "container.HostConfig",
  {
    Binds: strings,
    ContainerIDFile: text,
    LogConfig: struct("container.LogConfig", { Type: text, Config: map(text) }),
    NetworkMode: named("container.NetworkMode", text),
    PortBindings: portMap,
    RestartPolicy: restartPolicy,
    AutoRemove: flag,
    VolumeDriver: text,
    VolumesFrom: strings,
    ConsoleSize: array(2, uint),
    Annotations: map(text),
    CapAdd: strings,
    CapDrop: strings,
    CgroupnsMode: named("container.CgroupnsMode", text),
    Dns: list(address),
    DnsOptions: strings,
    DnsSearch: strings,
    ExtraHosts: strings,
    GroupAdd: strings,
    IpcMode: named("container.IpcMode", text),
    Cgroup: named("container.CgroupSpec", text),
    Links: strings,
    OomScoreAdj: int,
    PidMode: named("container.PidMode", text),
    Privileged: flag,
    PublishAllPorts: flag,
    ReadonlyRootfs: flag,
    SecurityOpt: strings,
    StorageOpt: map(text),
    Tmpfs: map(text),
    UTSMode: named("container.UTSMode", text),
    UsernsMode: named("container.UsernsMode", text),
    ShmSize: int64,
    Sysctls: map(text),
    Runtime: text,
    Isolation: named("container.Isolation", text),
  },
  embedded("Resources", resources),
  {
    // API 1.40 had it for a while; see `create.ts`.
    Capabilities: anything,
    Mounts: list(mount),
    MaskedPaths: strings,
    ReadonlyPaths: strings,
    Init: flag,
  },
);

const endpoint = struct("network.EndpointSettings", {
  IPAMConfig: struct("network.EndpointIPAMConfig", {
    IPv4Address: address,
    IPv6Address: address,
    LinkLocalIPs: list(address),
  }),
  Links: strings,
  Aliases: strings,
  DriverOpts: map(text),
  GwPriority: int,
  NetworkID: text,
  EndpointID: text,
  Gateway: address,
  IPAddress: address,
  MacAddress: checked("network.HardwareAddr", macProblem),
  IPPrefixLen: int,
  IPv6Gateway: address,
  GlobalIPv6Address: address,
  GlobalIPv6PrefixLen: int,
  DNSNames: strings,
});

export const createRequest: Schema = struct("container.CreateRequest", embedded("Config", config), {
  // Until API 1.51; now each endpoint has its own.
  MacAddress: anything,
  HostConfig: hostConfig,
  NetworkingConfig: struct("network.NetworkingConfig", {
    EndpointsConfig: { ...map(endpoint), type: "map[string]*network.EndpointSettings" },
  }),
});

export const updateRequest: Schema = struct("container.UpdateConfig", embedded("Resources", resources), {
  RestartPolicy: restartPolicy,
  // Ours: what is to be published beside what is, and what no more.
  PublishAdd: portMap,
  PublishRm: portMap,
});

/** The names of the fields that belong to the container's own configuration. */
export const CONFIG_FIELDS: readonly string[] = Object.keys(config.fields!);

export const execCreateRequest: Schema = struct("container.ExecCreateRequest", {
  User: text,
  Privileged: flag,
  Tty: flag,
  ConsoleSize: array(2, uint),
  AttachStdin: flag,
  AttachStderr: flag,
  AttachStdout: flag,
  DetachKeys: text,
  Env: strings,
  WorkingDir: text,
  Cmd: strings,
});

export const execStartRequest: Schema = struct("container.ExecStartRequest", {
  Detach: flag,
  Tty: flag,
  ConsoleSize: array(2, uint),
});

export const authRequest: Schema = struct("registry.AuthConfig", {
  username: text,
  password: text,
  auth: text,
  serveraddress: text,
  identitytoken: text,
  registrytoken: text,
});

export const volumeCreateRequest: Schema = struct("volume.CreateRequest", {
  Name: text,
  Driver: text,
  DriverOpts: map(text),
  Labels: map(text),
  ClusterVolumeSpec: anything,
});

export const networkCreateRequest: Schema = struct("network.CreateRequest", {
  Name: text,
  Driver: text,
  Scope: text,
  EnableIPv4: flag,
  EnableIPv6: flag,
  IPAM: struct("network.IPAM", {
    Driver: text,
    Options: map(text),
    Config: list(
      struct("network.IPAMConfig", {
        Subnet: prefix,
        IPRange: prefix,
        Gateway: address,
        AuxiliaryAddresses: map(address),
      }),
    ),
  }),
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  ConfigFrom: struct("network.ConfigReference", { Network: text }),
  Options: map(text),
  Labels: map(text),
});

export const networkConnectRequest: Schema = struct("networkbackend.ConnectRequest", {
  Container: text,
  EndpointConfig: endpoint,
});

export const networkDisconnectRequest: Schema = struct("networkbackend.DisconnectRequest", {
  Container: text,
  Force: flag,
});

/** The OCI platform object that some parameters carry as JSON. */
export const platformRequest: Schema = struct("v1.Platform", {
  architecture: text,
  os: text,
  "os.version": text,
  "os.features": strings,
  variant: text,
});
