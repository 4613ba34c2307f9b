/**
 * `version` and `info`: what this daemon is and what its host can do. Every value is read or known, none is there to
 * look like Docker's; what does not exist here is empty.
 * @source Engine API, definitions SystemVersion and SystemInfo
 */
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { SystemService } from "../services.ts";
import { VERSION } from "../version.ts";
import * as probe from "./probe.ts";

export interface SystemOptions {
  /** The versions of the API that are spoken. */
  api: { min: string; max: string };
  /** The parts of the configuration that `info` shows; asked anew each time, since SIGHUP changes them. */
  config: () => {
    dataRoot: string;
    debug: boolean;
    labels: string[];
    liveRestore: boolean;
    logDriver: string;
    /** Names under which the runtime may be asked for. */
    runtimes: readonly string[];
    defaultRuntime: string;
    insecureRegistries: string[];
    mirrors: string[];
    firewall: { driver: string; details: [string, string][] };
    userlandProxy: boolean;
    addressPools: { base: string; size: number }[];
    /** What an operator should know of networks. */
    networkWarnings: string[];
    /** Addresses on which the API is reachable in the clear. */
    plainTcp: string[];
  };
  /** File that keeps the engine's id over restarts. */
  idFile: string;
  containers: () => { running: number; paused: number; stopped: number };
  images: () => number;
  listeners: () => number;
}

export class System implements SystemService {
  readonly #options: SystemOptions;
  readonly #cgroups = probe.cgroupSupport();
  readonly id: string;

  constructor(options: SystemOptions) {
    this.#options = options;
    this.id = keepId(options.idFile);
  }

  get cgroupV2(): boolean {
    return this.#cgroups.version === "2";
  }

  version(): object {
    const { api } = this.#options;
    const Arch = probe.architecture().go;
    const KernelVersion = probe.kernelVersion();
    const part = (Name: string) => ({ Name, Version: VERSION, Details: { GitCommit: "" } });
    return {
      Platform: { Name: "tsd" },
      Version: VERSION,
      ApiVersion: api.max,
      MinAPIVersion: api.min,
      Os: "linux",
      Arch,
      Components: [
        {
          Name: "Engine",
          Version: VERSION,
          Details: {
            ApiVersion: api.max,
            Arch,
            BuildTime: "",
            Experimental: "false",
            GitCommit: "",
            // The client prints this line for every engine; what runs this one is Bun.
            GoVersion: `bun${process.versions.bun ?? ""}`,
            KernelVersion,
            MinAPIVersion: api.min,
            Os: "linux",
          },
        },
        part("ts-shim"),
        part("tsrunc"),
        part("ts-init"),
      ],
      GitCommit: "",
      GoVersion: `bun${process.versions.bun ?? ""}`,
      KernelVersion,
      BuildTime: "",
    };
  }

  async info(): Promise<object> {
    const { running, paused, stopped } = this.#options.containers();
    const config = this.#options.config();
    const os = probe.operatingSystem();
    const cgroups = this.#cgroups;
    const forwarding = probe.ipv4Forwarding();
    return {
      ID: this.id,
      Containers: running + paused + stopped,
      ContainersRunning: running,
      ContainersPaused: paused,
      ContainersStopped: stopped,
      Images: this.#options.images(),
      Driver: "overlayfs",
      // By this word clients tell that images are kept as they came: multi-platform, ids that are digests.
      DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
      Plugins: {
        Volume: ["local"],
        // As in Docker, overlay networks are known and refused where there is no swarm.
        Network: ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
        Authorization: null,
        Log: ["json-file"],
      },
      MemoryLimit: cgroups.memory,
      SwapLimit: cgroups.swap,
      CpuCfsPeriod: cgroups.cfs,
      CpuCfsQuota: cgroups.cfs,
      CPUShares: cgroups.shares,
      CPUSet: cgroups.cpuset,
      PidsLimit: cgroups.pids,
      IPv4Forwarding: forwarding,
      Debug: config.debug,
      NFd: probe.openFds(),
      OomKillDisable: cgroups.oomKillDisable,
      NGoroutines: 0,
      SystemTime: new Date().toISOString(),
      LoggingDriver: config.logDriver,
      CgroupDriver: "cgroupfs",
      CgroupVersion: cgroups.version,
      NEventsListener: this.#options.listeners(),
      KernelVersion: probe.kernelVersion(),
      OperatingSystem: os.name,
      OSVersion: os.version,
      OSType: "linux",
      Architecture: probe.architecture().uname,
      IndexServerAddress: "https://index.docker.io/v1/",
      RegistryConfig: registryConfig(config.insecureRegistries, config.mirrors),
      NCPU: availableParallelism(),
      MemTotal: probe.totalMemory(),
      GenericResources: null,
      DockerRootDir: config.dataRoot,
      // The ones that registries are reached through.
      HttpProxy: withoutPassword(environment("HTTP_PROXY")),
      HttpsProxy: withoutPassword(environment("HTTPS_PROXY")),
      NoProxy: environment("NO_PROXY"),
      Name: probe.hostName(),
      Labels: config.labels,
      ExperimentalBuild: false,
      ServerVersion: VERSION,
      Runtimes: Object.fromEntries(config.runtimes.map((name) => [name, { path: "tsrunc" }])),
      DefaultRuntime: config.defaultRuntime,
      Swarm: {
        NodeID: "",
        NodeAddr: "",
        LocalNodeState: "inactive",
        ControlAvailable: false,
        Error: "",
        RemoteManagers: null,
      },
      LiveRestoreEnabled: config.liveRestore,
      Isolation: "",
      InitBinary: "docker-init",
      ContainerdCommit: { ID: "" },
      RuncCommit: { ID: "" },
      InitCommit: { ID: "" },
      SecurityOptions: securityOptions(cgroups),
      ...(config.addressPools.length > 0 && {
        DefaultAddressPools: config.addressPools.map(({ base, size }) => ({ Base: base, Size: size })),
      }),
      FirewallBackend: firewallBackend(config),
      CDISpecDirs: [],
      Warnings: [...warnings(cgroups, forwarding, config.plainTcp), ...config.networkWarnings],
    };
  }
}

const environment = (name: string): string => process.env[name] || process.env[name.toLowerCase()] || "";

const withoutPassword = (url: string): string => url.replace(/^(\w+:\/\/)[^@/]*@/, "$1xxxxx:xxxxx@");

function firewallBackend({ firewall, userlandProxy }: ReturnType<SystemOptions["config"]>): object {
  const info = [...firewall.details];
  if (userlandProxy) info.push(["EnableUserlandProxy", "true"], ["UserlandProxyPath", "ts-proxy"]);
  return { Driver: firewall.driver, ...(info.length > 0 && { Info: info }) };
}

function securityOptions({ version }: probe.CgroupSupport): string[] {
  // Containers get a cgroup namespace of their own by default where the hierarchy is unified.
  return [...probe.securityOptions(), ...(version === "2" ? ["name=cgroupns"] : [])];
}

function warnings(cgroups: probe.CgroupSupport, forwarding: boolean, plainTcp: string[]): string[] {
  const missing: [boolean, string][] = [
    [cgroups.memory, "No memory limit support"],
    [cgroups.swap, "No swap limit support"],
    [cgroups.oomKillDisable || cgroups.version === "2", "No oom kill disable support"],
    [cgroups.cfs, "No cpu cfs quota support"],
    [cgroups.cfs, "No cpu cfs period support"],
    [cgroups.shares, "No cpu shares support"],
    [cgroups.cpuset, "No cpuset support"],
    [forwarding, "IPv4 forwarding is disabled"],
  ];
  return [
    ...plainTcp.map(
      (address) =>
        `WARNING: API is accessible on ${address} without encryption; access to it is root access on this machine`,
    ),
    ...missing.filter(([there]) => !there).map(([, what]) => `WARNING: ${what}`),
  ];
}

function registryConfig(insecure: string[], mirrors: string[]): object {
  const isCidr = (value: string) => /^[0-9a-fA-F.:]+\/\d+$/.test(value);
  const indexes: Record<string, object> = {
    "docker.io": { Name: "docker.io", Mirrors: mirrors, Secure: true, Official: true },
  };
  for (const name of insecure.filter((value) => !isCidr(value))) {
    indexes[name] = { Name: name, Mirrors: [], Secure: false, Official: false };
  }
  return {
    InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8", ...insecure.filter(isCidr)],
    IndexConfigs: indexes,
    Mirrors: mirrors,
  };
}

function keepId(file: string): string {
  try {
    const id = readFileSync(file, "utf8").trim();
    if (id !== "") return id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const id = randomUUID();
  writeFileSync(file, `${id}\n`, { mode: 0o600 });
  return id;
}
