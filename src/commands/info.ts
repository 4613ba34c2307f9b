/** `info`: the daemon and its machine. */
import { NEWEST } from "../engine/api/client.ts";
import { VERSION } from "../engine/version.ts";
import type { Command, GlobalOptions } from "./support/command.ts";
import { contextName } from "./support/connect.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { string } from "./support/flags.ts";
import { err, out } from "./support/output.ts";
import { bytesSize } from "./support/units.ts";
import { goArch } from "./version.ts";

// biome-ignore format: one field of the API on each line would be a page of nothing
interface Info {
  Containers: number; ContainersRunning: number; ContainersPaused: number; ContainersStopped: number; Images: number;
  ServerVersion: string; Driver: string; DriverStatus?: [string, string][] | null; LoggingDriver: string;
  CgroupDriver: string; CgroupVersion?: string;
  Plugins: { Volume?: string[] | null; Network?: string[] | null; Authorization?: string[] | null; Log?: string[] | null };
  CDISpecDirs?: string[] | null; Swarm: { LocalNodeState?: string }; Runtimes?: Record<string, unknown>; DefaultRuntime: string;
  OSType: string; InitBinary: string; ContainerdCommit: { ID: string }; RuncCommit: { ID: string }; InitCommit: { ID: string };
  SecurityOptions?: string[] | null; KernelVersion: string; OperatingSystem: string; Architecture: string; NCPU: number;
  MemTotal: number; Name: string; ID: string; DockerRootDir: string; Debug: boolean; HttpProxy?: string; HttpsProxy?: string;
  NoProxy?: string; Labels?: string[] | null; ExperimentalBuild: boolean; LiveRestoreEnabled: boolean; ProductLicense?: string;
  RegistryConfig?: { InsecureRegistryCIDRs?: string[] | null; IndexConfigs?: Record<string, { Name: string; Secure: boolean }> | null; Mirrors?: string[] | null } | null;
  DefaultAddressPools?: { Base: string; Size: number }[] | null; Warnings?: string[] | null;
  NFd?: number; NGoroutines?: number; SystemTime?: string; NEventsListener?: number; FirewallBackend?: { Driver: string; Info?: [string, string][] | null } | null;
}

export const command: Command = {
  use: "[OPTIONS]",
  short: "Show information about the daemon and its machine",
  arity: { exact: 0 },
  flags: [string("format", "f", "Shape the output: 'json', or a Go template")],
  async run({ flags, client, global }) {
    let info: Info | undefined;
    let problem: unknown;
    try {
      info = await (await client()).json<Info>("GET", "/info");
    } catch (error) {
      problem = error;
    }
    const ClientInfo = {
      Debug: global.debug,
      Version: VERSION,
      DefaultAPIVersion: NEWEST,
      GoVersion: `bun${Bun.version}`,
      Os: process.platform,
      Arch: goArch(),
      Context: contextName(global),
      Plugins: [],
      Warnings: null,
    };
    const format = flags.string("format");
    if (format !== "") {
      const data = { ...info, ...(problem ? { ServerErrors: [messageOf(problem)] } : {}), ClientInfo };
      (await import("./support/one.ts")).printOne(format, data, "system.dockerInfo");
      if (problem) throw new Failure(messageOf(problem));
      return 0;
    }
    out(
      `Client:\n Version:    ${VERSION}\n Context:    ${ClientInfo.Context}\n Debug Mode: ${global.debug}\n\nServer:\n`,
    );
    if (info) {
      out(`${serverText(info, global)}\n`);
      for (const warning of info.Warnings ?? []) err(`${warning}\n`);
    }
    if (problem) throw new Failure(messageOf(problem));
    return 0;
  },
};

function serverText(info: Info, global: GlobalOptions): string {
  const lines: string[] = [];
  const add = (name: string, value: unknown): void => {
    lines.push(` ${name}: ${value}`);
  };
  const some = (name: string, value: string | undefined): void => {
    if (value) add(name, value);
  };
  const words = (list: string[] | null | undefined): string => (list ?? []).join(" ");
  add("Containers", info.Containers);
  add(" Running", info.ContainersRunning);
  add(" Paused", info.ContainersPaused);
  add(" Stopped", info.ContainersStopped);
  add("Images", info.Images);
  some("Server Version", info.ServerVersion);
  some("Storage Driver", info.Driver);
  for (const [name, value] of info.DriverStatus ?? []) add(` ${name}`, value);
  some("Logging Driver", info.LoggingDriver);
  some("Cgroup Driver", info.CgroupDriver);
  some("Cgroup Version", info.CgroupVersion);
  lines.push(" Plugins:");
  add(" Volume", words(info.Plugins.Volume));
  add(" Network", words(info.Plugins.Network));
  if (info.Plugins.Authorization?.length) add(" Authorization", words(info.Plugins.Authorization));
  add(" Log", words(info.Plugins.Log));
  if (info.CDISpecDirs?.length)
    lines.push(" CDI spec directories:", ...info.CDISpecDirs.map((path) => `  ${path}`));
  add("Swarm", info.Swarm?.LocalNodeState ?? "inactive");
  const runtimes = Object.keys(info.Runtimes ?? {});
  if (runtimes.length > 0) {
    add("Runtimes", runtimes.join(" "));
    add("Default Runtime", info.DefaultRuntime);
  }
  if (info.OSType === "linux") {
    add("Init Binary", info.InitBinary);
    add("containerd version", info.ContainerdCommit.ID);
    add("runc version", info.RuncCommit.ID);
    add("init version", info.InitCommit.ID);
    lines.push(...securityLines(info.SecurityOptions ?? []));
  }
  some("Kernel Version", info.KernelVersion);
  some("Operating System", info.OperatingSystem);
  some("OSType", info.OSType);
  some("Architecture", info.Architecture);
  add("CPUs", info.NCPU);
  add("Total Memory", bytesSize(info.MemTotal));
  some("Name", info.Name);
  some("ID", info.ID);
  add("Docker Root Dir", info.DockerRootDir);
  add("Debug Mode", info.Debug);
  if (info.Debug || global.debug) {
    add(" File Descriptors", info.NFd);
    add(" Goroutines", info.NGoroutines);
    add(" System Time", info.SystemTime);
    add(" EventsListeners", info.NEventsListener);
  }
  some("HTTP Proxy", info.HttpProxy);
  some("HTTPS Proxy", info.HttpsProxy);
  some("No Proxy", info.NoProxy);
  if (info.Labels?.length) lines.push(" Labels:", ...info.Labels.map((label) => `  ${label}`));
  add("Experimental", info.ExperimentalBuild);
  const registry = info.RegistryConfig;
  const insecure = Object.values(registry?.IndexConfigs ?? {}).filter(({ Secure }) => !Secure);
  if (registry?.InsecureRegistryCIDRs?.length || Object.keys(registry?.IndexConfigs ?? {}).length > 0) {
    lines.push(
      " Insecure Registries:",
      ...insecure.map(({ Name }) => `  ${Name}`),
      ...(registry?.InsecureRegistryCIDRs ?? []).map((range) => `  ${range}`),
    );
  }
  if (registry?.Mirrors?.length)
    lines.push(" Registry Mirrors:", ...registry.Mirrors.map((mirror) => `  ${mirror}`));
  add("Live Restore Enabled", info.LiveRestoreEnabled);
  some("Product License", info.ProductLicense);
  if (info.DefaultAddressPools?.length) {
    lines.push(
      " Default Address Pools:",
      ...info.DefaultAddressPools.map(({ Base, Size }) => `   Base: ${Base}, Size: ${Size}`),
    );
  }
  if (info.FirewallBackend) {
    add("Firewall Backend", info.FirewallBackend.Driver);
    for (const [name, value] of info.FirewallBackend.Info ?? []) add(` ${name}`, value);
  }
  return `${lines.join("\n")}\n`;
}

function securityLines(options: readonly string[]): string[] {
  if (options.length === 0) return [];
  const lines = [" Security Options:"];
  for (const option of options) {
    const fields = new Map(option.split(",").map((field) => field.split("=", 2) as [string, string]));
    lines.push(`  ${fields.get("name") ?? option}`);
    if (fields.has("profile")) lines.push(`   Profile: ${fields.get("profile")}`);
  }
  return lines;
}
