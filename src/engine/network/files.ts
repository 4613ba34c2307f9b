/** Writes the files over a container's /etc that follow its networks. */
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Container } from "../container/container.ts";
import { EngineError } from "../errors.ts";
import type { NetworkContext } from "./context.ts";
import { addressesOf, refusesIpv6 } from "./endpoints.ts";
import { type HostsEntry, hostsText, ownNames, rewrite, withEntries, withoutEntries } from "./hosts-file.ts";
import { linkedEntries } from "./links.ts";
import { answersNames } from "./names-view.ts";
import { type ResolvConf, resolvConf, type Transform } from "./resolv-conf.ts";
import type { EndpointRecord } from "./types.ts";

/** Where they are; the container's own folder. */
export interface EtcFiles {
  hostname: string;
  hosts: string;
  resolvConf: string;
  /** What is in them, by their paths, as far as it is known: it is not written again. */
  written?: Map<string, string>;
}

/** All of them, anew: at every start. What the resolver needs to know comes back. */
export function writeFiles(
  ctx: NetworkContext,
  container: Container,
  files: EtcFiles,
  endpoints: readonly EndpointRecord[],
): ResolvConf {
  const { config, hostConfig } = container.record;
  const write = (path: string, text: string, mode = 0o644): void => {
    if (files.written?.get(path) === text) return;
    writeFileSync(path, text, { mode });
    files.written?.set(path, text);
  };
  write(files.hostname, `${config.Hostname}\n`);
  write(files.hosts, hostsOf(ctx, container, endpoints));
  const conf = resolvConfOf(ctx, container, endpoints);
  write(files.resolvConf, conf.text);
  if (hostConfig.NetworkMode === "host") rmSync(hashFile(files), { force: true });
  else write(hashFile(files), digest(conf.text), 0o600);
  return conf;
}

function hostsOf(ctx: NetworkContext, container: Container, endpoints: readonly EndpointRecord[]): string {
  const { hostConfig } = container.record;
  const extra = [...extraEntries(ctx, hostConfig.ExtraHosts ?? []), ...linkedEntries(ctx, container)];
  if (hostConfig.NetworkMode === "host" && extra.length === 0) {
    try {
      return readFileSync("/etc/hosts", "utf8");
    } catch {
      return hostsText([]);
    }
  }
  const own = endpoints.flatMap((endpoint) => ownEntries(container, endpoint));
  return hostsText([...extra, ...own], !refusesIpv6(container));
}

function ownEntries({ record }: Container, endpoint: EndpointRecord): HostsEntry[] {
  const names = ownNames(record.config.Hostname, record.config.Domainname);
  return addressesOf(endpoint).map((address) => ({ address, names }));
}

function extraEntries(ctx: NetworkContext, hosts: readonly string[]): HostsEntry[] {
  return hosts.flatMap((entry) => {
    const colon = entry.indexOf(":");
    const names = entry.slice(0, colon);
    const address = entry.slice(colon + 1).trim();
    if (address !== "host-gateway") return [{ address, names }];
    const gateways = hostGateways(ctx);
    if (gateways.length === 0) {
      throw new EngineError("internal", "unable to derive the IP value for host-gateway");
    }
    return gateways.map((gateway) => ({ address: gateway, names }));
  });
}

function hostGateways(ctx: NetworkContext): readonly string[] {
  if (ctx.config.hostGateways.length > 0) return ctx.config.hostGateways;
  const pools = ctx.store.byName("bridge")?.ipam.pools ?? [];
  return pools.flatMap(({ gateway }) => gateway ?? []);
}

/** For what the resolver is told, without writing. */
export function resolvConfOf(
  ctx: NetworkContext,
  { record: { hostConfig: h } }: Container,
  endpoints: readonly EndpointRecord[],
): ResolvConf {
  const or = (own: readonly string[] | null, otherwise: readonly string[]) => (own?.length ? own : otherwise);
  const overrides = {
    servers: or(h.Dns, ctx.config.dns),
    search: or(h.DnsSearch, ctx.config.dnsSearch),
    options: or(h.DnsOptions, ctx.config.dnsOptions),
  };
  return resolvConf(overrides, transformOf(ctx, endpoints));
}

function transformOf(ctx: NetworkContext, endpoints: readonly EndpointRecord[]): Transform {
  const networks = endpoints.flatMap(({ network }) => ctx.store.network(network) ?? []);
  if (networks.some(answersNames)) return { kind: "internal" };
  // Docker treats `none` as the default bridge: what is listed is no use there, but other programs read the file, too.
  if (networks.every(({ driver }) => driver === "host")) return { kind: "none" };
  return { kind: "legacy", ipv6: endpoints.some(({ ipv6 }) => ipv6 !== undefined) };
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
const hashFile = (files: EtcFiles): string => `${files.resolvConf}.hash`;

/** An endpoint came or went while the container runs. A resolv.conf that somebody changed stays theirs. */
export function updateFiles(
  ctx: NetworkContext,
  container: Container,
  files: EtcFiles,
  endpoints: readonly EndpointRecord[],
  change: { came?: EndpointRecord; gone?: EndpointRecord },
): ResolvConf {
  const conf = resolvConfOf(ctx, container, endpoints);
  rewrite(files.hosts, (text) => {
    if (change.came) return withEntries(text, ownEntries(container, change.came));
    return change.gone ? withoutEntries(text, ownEntries(container, change.gone)) : text;
  });
  let written = "";
  try {
    written = readFileSync(hashFile(files), "utf8");
  } catch {
    return conf;
  }
  rewrite(files.resolvConf, (text) => {
    if (digest(text) !== written || text === conf.text) return text;
    writeFileSync(hashFile(files), digest(conf.text), { mode: 0o600 });
    return conf.text;
  });
  return conf;
}
