/** Turns parsed flags into the body of the create request. */
import { scanValue } from "../../../engine/json/syntax.ts";
import { fs } from "../builtin.ts";
import { Failure } from "../failure.ts";
import type { ParsedFlags } from "../flags.ts";
import { type DeviceMapping, isCdiName, parseDevice } from "./devices.ts";
import { readPairs } from "./files.ts";
import type { DeviceRequest } from "./gpus.ts";
import { type MountSpec, parseVolume } from "./mount.ts";
import { endpoints } from "./network.ts";
import { parseExpose, parsePublish } from "./ports.ts";

const orNull = <T>(list: T[]): T[] | null => (list.length > 0 ? list : null);

function pairs(words: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf("=");
    map[at < 0 ? word : word.slice(0, at)] = at < 0 ? "" : word.slice(at + 1);
  }
  return map;
}

/** What `update` can change, too. */
export const limits = (flags: ParsedFlags) => ({
  CpuShares: flags.number("cpu-shares"),
  Memory: flags.number("memory"),
  NanoCpus: flags.number("cpus"),
  BlkioWeight: flags.number("blkio-weight"),
  CpuPeriod: flags.number("cpu-period"),
  CpuQuota: flags.number("cpu-quota"),
  CpuRealtimePeriod: flags.number("cpu-rt-period"),
  CpuRealtimeRuntime: flags.number("cpu-rt-runtime"),
  CpusetCpus: flags.string("cpuset-cpus"),
  CpusetMems: flags.string("cpuset-mems"),
  MemoryReservation: flags.number("memory-reservation"),
  MemorySwap: flags.number("memory-swap"),
});

export function restartPolicy(word: string): { Name: string; MaximumRetryCount: number } {
  if (word === "") return { Name: "", MaximumRetryCount: 0 };
  const [name, count, ...rest] = word.split(":");
  if (name === "") throw new Failure("invalid restart policy format: no policy provided before colon");
  if (rest.length > 0 || (count !== undefined && !/^-?\d+$/.test(count))) {
    throw new Failure("invalid restart policy format: maximum retry count must be an integer");
  }
  return { Name: name as string, MaximumRetryCount: Number(count ?? 0) };
}

/** Profiles are sent as text, since the daemon may be on another machine. */
function securityOption(word: string): string {
  const match = /^([^=:]*)(?:[=:])([\s\S]+)$/.exec(word);
  if (!match) {
    if (word === "no-new-privileges") return word;
    throw new Failure(`Invalid --security-opt: ${JSON.stringify(word)}`);
  }
  const [, key, value] = match as unknown as [string, string, string];
  if (key !== "seccomp" || value === "unconfined" || value === "builtin") return word;
  let text: string;
  try {
    text = fs().readFileSync(value, "utf8");
  } catch {
    throw new Failure(`opening seccomp profile (${value}) failed: open ${value}: no such file or directory`);
  }
  const problem = compactProblem(text);
  if (problem) throw new Failure(`compacting json for seccomp profile (${value}) failed: ${problem}`);
  return `seccomp=${JSON.stringify(JSON.parse(text))}`;
}

/** Go's json.Compact takes one value, and calls a text that ends too early by another name than its decoder. */
function compactProblem(text: string): string | undefined {
  const scanned = scanValue(text);
  if (!scanned.ok) return scanned.message.replace(/^(unexpected )?EOF$/, "unexpected end of JSON input");
  const rest = text.slice(scanned.end).trimStart();
  return rest === "" ? undefined : `invalid character '${rest[0]}' after top-level value`;
}

function health(flags: ParsedFlags): object | undefined {
  const names = [
    "health-cmd",
    "health-interval",
    "health-timeout",
    "health-start-period",
    "health-retries",
    "health-start-interval",
  ];
  let any = false;
  for (const name of names) any ||= flags.get(name) !== "" && flags.get(name) !== 0;
  if (flags.bool("no-healthcheck")) {
    if (any) throw new Failure("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!any) return undefined;
  for (const name of names.slice(1))
    if (flags.number(name) < 0) throw new Failure(`--${name} cannot be negative`);
  const value: Record<string, unknown> = {};
  if (flags.string("health-cmd") !== "") value.Test = ["CMD-SHELL", flags.string("health-cmd")];
  const fields = {
    Interval: "health-interval",
    Timeout: "health-timeout",
    StartPeriod: "health-start-period",
    StartInterval: "health-start-interval",
    Retries: "health-retries",
  };
  for (const [field, name] of Object.entries(fields))
    if (flags.number(name) !== 0) value[field] = flags.number(name);
  return value;
}

function volumes(flags: ParsedFlags): { binds: string[]; anonymous: Record<string, object> } {
  const binds: string[] = [];
  const anonymous: Record<string, object> = {};
  // Docker keeps these in a set.
  for (const word of new Set(flags.list("volume"))) {
    const volume = parseVolume(word);
    if (volume.kind === "bind") binds.push(volume.bind);
    else anonymous[volume.target] = {};
  }
  return { binds, anonymous };
}

function mode(flags: ParsedFlags, name: string, valid: readonly string[], label: string): string {
  const value = flags.string(name);
  if (value !== "" && !valid.includes(value) && !(name === "pid" && /^container:./.test(value))) {
    throw new Failure(`--${name}: invalid ${label} mode`);
  }
  return value;
}

export interface CreateBody {
  readonly Image: string;
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  readonly StdinOnce: boolean;
  readonly HostConfig: Record<string, unknown> & {
    AutoRemove: boolean;
    NetworkMode: string;
    ConsoleSize: [number, number];
  };
}

/** `detached` is `run -d`, which attaches to nothing. */
export function createBody(flags: ParsedFlags, words: readonly string[], detached: boolean): CreateBody {
  const [image, ...command] = words as [string, ...string[]];
  const attach = flags.list("attach");
  const stdin = attach.includes("stdin") || (attach.length === 0 && flags.bool("interactive"));
  const stdout = attach.length === 0 || attach.includes("stdout");
  const stderr = attach.length === 0 || attach.includes("stderr");
  const swappiness = flags.number("memory-swappiness");
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100))
    throw new Failure(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  const { binds, anonymous } = volumes(flags);
  const published = parsePublish(flags.list("publish"));
  const exposed = [...published.exposed];
  for (const word of flags.list("expose")) exposed.push(...parseExpose(word));
  const requests = [...flags.list<DeviceRequest>("gpus")];
  const cdi: string[] = [];
  const mappings: DeviceMapping[] = [];
  for (const word of flags.list("device"))
    if (isCdiName(word)) cdi.push(word);
    else mappings.push(parseDevice(word));
  if (cdi.length > 0)
    requests.push({ Driver: "cdi", Count: 0, DeviceIDs: cdi, Capabilities: [], Options: {} });
  const environment: string[] = [];
  for (const path of flags.list("env-file"))
    environment.push(...readPairs(path, (name) => process.env[name]));
  environment.push(...flags.list("env"));
  const labelled: string[] = [];
  for (const path of flags.list("label-file")) labelled.push(...readPairs(path, undefined));
  const labels = pairs([...labelled, ...flags.list("label")]);
  const policy = restartPolicy(flags.string("restart"));
  const logOptions = flags.list("log-opt");
  if (flags.string("log-driver") === "none" && logOptions.length > 0)
    throw new Failure("invalid logging opts for driver none");
  const security: string[] = [];
  let unconfined = false;
  for (const word of flags.list("security-opt"))
    if (word === "systempaths=unconfined") unconfined = true;
    else security.push(securityOption(word));
  const storage = flags.list("storage-opt");
  for (const word of storage) if (!word.includes("=")) throw new Failure("invalid storage option");
  const tmpfs: Record<string, string> = {};
  for (const word of flags.list("tmpfs")) {
    const at = word.indexOf(":");
    tmpfs[at < 0 ? word : word.slice(0, at)] = at < 0 ? "" : word.slice(at + 1);
  }
  const remove = flags.bool("rm");
  if (remove && policy.Name !== "" && policy.Name !== "no")
    throw new Failure("conflicting options: cannot specify both --restart and --rm");
  const network = endpoints(flags);
  const annotations = flags.list("annotation");
  const sysctls = flags.list("sysctl");
  const mounts = flags.list<MountSpec>("mount");
  const check = health(flags);
  const openStdin = flags.bool("interactive");
  const body = {
    Hostname: flags.string("hostname"),
    Domainname: flags.string("domainname"),
    User: flags.string("user"),
    AttachStdin: stdin && !detached,
    AttachStdout: stdout && !detached,
    AttachStderr: stderr && !detached,
    ...(exposed.length > 0 ? { ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])) } : {}),
    Tty: flags.bool("tty"),
    OpenStdin: openStdin,
    StdinOnce: openStdin && stdin && !detached,
    Env: orNull(environment),
    Cmd: orNull(command),
    ...(check ? { Healthcheck: check } : {}),
    Image: image,
    Volumes: anonymous,
    WorkingDir: flags.string("workdir"),
    Entrypoint: flags.has("entrypoint") ? [flags.string("entrypoint")] : null,
    OnBuild: null,
    Labels: labels,
    ...(flags.string("stop-signal") ? { StopSignal: flags.string("stop-signal") } : {}),
    ...(flags.has("stop-timeout") ? { StopTimeout: flags.number("stop-timeout") } : {}),
    HostConfig: {
      Binds: orNull(binds),
      ContainerIDFile: flags.string("cidfile"),
      LogConfig: { Type: flags.string("log-driver"), Config: pairs(logOptions) },
      NetworkMode: network.mode,
      PortBindings: published.bindings,
      RestartPolicy: policy,
      AutoRemove: remove,
      VolumeDriver: flags.string("volume-driver"),
      VolumesFrom: orNull(flags.list("volumes-from")),
      ConsoleSize: [0, 0] as [number, number],
      ...(annotations.length > 0 ? { Annotations: pairs(annotations) } : {}),
      CapAdd: orNull(flags.list("cap-add")),
      CapDrop: orNull(flags.list("cap-drop")),
      CgroupnsMode: mode(flags, "cgroupns", ["host", "private"], "CGROUP"),
      Dns: flags.list("dns"),
      DnsOptions: [...flags.list("dns-option"), ...flags.list("dns-opt")],
      DnsSearch: flags.list("dns-search"),
      ExtraHosts: orNull(flags.list("add-host")),
      GroupAdd: orNull(flags.list("group-add")),
      IpcMode: flags.string("ipc"),
      Cgroup: "",
      Links: orNull(flags.list("link")),
      OomScoreAdj: flags.number("oom-score-adj"),
      PidMode: mode(flags, "pid", ["host"], "PID"),
      Privileged: flags.bool("privileged"),
      PublishAllPorts: flags.bool("publish-all"),
      ReadonlyRootfs: flags.bool("read-only"),
      SecurityOpt: orNull(security),
      ...(storage.length > 0 ? { StorageOpt: pairs(storage) } : {}),
      ...(Object.keys(tmpfs).length > 0 ? { Tmpfs: tmpfs } : {}),
      UTSMode: mode(flags, "uts", ["host"], "UTS"),
      UsernsMode: mode(flags, "userns", ["host"], "USER"),
      ShmSize: flags.number("shm-size"),
      ...(sysctls.length > 0 ? { Sysctls: pairs(sysctls) } : {}),
      ...(flags.string("runtime") ? { Runtime: flags.string("runtime") } : {}),
      Isolation: flags.string("isolation"),
      ...limits(flags),
      CgroupParent: flags.string("cgroup-parent"),
      BlkioWeightDevice: flags.list("blkio-weight-device"),
      BlkioDeviceReadBps: flags.list("device-read-bps"),
      BlkioDeviceWriteBps: flags.list("device-write-bps"),
      BlkioDeviceReadIOps: flags.list("device-read-iops"),
      BlkioDeviceWriteIOps: flags.list("device-write-iops"),
      Devices: mappings,
      DeviceCgroupRules: orNull(flags.list("device-cgroup-rule")),
      DeviceRequests: orNull(requests),
      MemorySwappiness: swappiness,
      OomKillDisable: flags.bool("oom-kill-disable"),
      PidsLimit: flags.number("pids-limit"),
      Ulimits: flags.list<{ Name: string }>("ulimit").toSorted((a, b) => (a.Name < b.Name ? -1 : 1)),
      CpuCount: flags.number("cpu-count"),
      CpuPercent: flags.number("cpu-percent"),
      IOMaximumIOps: flags.number("io-maxiops"),
      IOMaximumBandwidth: flags.number("io-maxbandwidth"),
      ...(mounts.length > 0 ? { Mounts: mounts } : {}),
      MaskedPaths: unconfined ? [] : null,
      ReadonlyPaths: unconfined ? [] : null,
      ...(flags.has("init") ? { Init: flags.bool("init") } : {}),
    },
    NetworkingConfig: { EndpointsConfig: network.endpoints },
  };
  return body;
}
