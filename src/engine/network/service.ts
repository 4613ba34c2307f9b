/** The network service: every operation is a file of its own, this ties them to one context. */
import type { EndpointConfig, EndpointSettings } from "../container/config.ts";
import type { Container } from "../container/container.ts";
import { EngineError } from "../errors.ts";
import type { Filters } from "../filters.ts";
import type { NetworkService } from "../services.ts";
import { type Attached, attach, dropPrepared, leave, leavePorts, prepare, prepareFiles } from "./attach.ts";
import { type AskedPorts, changePorts, type PortChanges } from "./change-ports.ts";
import { checkConnect, connectRunning, disconnectRunning, pinned, requireOwnNamespace } from "./connect.ts";
import type { NetworkContext } from "./context.ts";
import { type CreateNetworkRequest, create } from "./create.ts";
import { ensurePredefined } from "./default-bridge.ts";
import { askedOf, networkOf } from "./endpoints.ts";
import type { EtcFiles } from "./files.ts";
import { joinProblems } from "./ipam/validate.ts";
import { forgetAlias, linkedVariables } from "./links.ts";
import { inspect, list } from "./list.ts";
import { endpointNames } from "./names-view.ts";
import { prune, remove } from "./remove.ts";
import { claim, close, restore, syncFirewall } from "./restore.ts";
import { endpointProblem, isUserDefined, networksOf, settingsOf } from "./settings.ts";
import type { NetworkRecord } from "./types.ts";
import { type NetworkSettingsView, networkSettings, networkSummary } from "./view.ts";

export class Networks implements NetworkService {
  readonly #ctx: NetworkContext;

  constructor(ctx: NetworkContext) {
    this.#ctx = ctx;
    claim(ctx);
  }

  create(request: CreateNetworkRequest): Promise<{ Id: string }> {
    return create(this.#ctx, request);
  }

  list(filters: Filters): object[] {
    return list(this.#ctx, filters);
  }

  inspect(term: string, scope = ""): object {
    return inspect(this.#ctx, term, scope);
  }

  remove(term: string): Promise<void> {
    return remove(this.#ctx, term);
  }

  prune(filters: Filters): Promise<{ NetworksDeleted: string[] | null }> {
    return prune(this.#ctx, filters);
  }

  warnings(): string[] {
    return this.#ctx.firewall.warnings();
  }

  /** The firewall as `info` shows it. */
  firewallInfo(): { driver: string; details: [string, string][] } {
    const { firewall, config } = this.#ctx;
    const backend = firewall.backend === "none" ? config.firewall : firewall.backend;
    const firewalld = firewall.firewalld?.();
    const at = firewalld?.reloadedAt?.toISOString().replace(/\.\d+Z$/, "Z");
    return {
      driver: firewalld ? `${backend}+firewalld` : backend,
      details: at === undefined ? [] : [["ReloadedAt", at]],
    };
  }

  /** What a create request says of networks, complete. @throws EngineError invalid, in Docker's words */
  settings(
    mode: string,
    sent: Record<string, EndpointConfig | null> | null | undefined,
  ): Record<string, EndpointSettings> {
    // "default" means "bridge" on Linux, here as in the network mode.
    const entries = Object.entries(sent ?? {}).map(
      ([name, config]) => [name === "default" ? "bridge" : name, config] as const,
    );
    const problems = entries.flatMap(([name, config]) => {
      if (config === null) return [`invalid config for network ${name}: EndpointsConfig is nil`];
      const problem = endpointProblem(this.#known(name), name, settingsOf(config));
      return problem === undefined ? [] : [`invalid config for network ${name}: ${problem}`];
    });
    if (problems.length > 0) throw new EngineError("invalid", joinProblems(problems));
    const settings = Object.fromEntries(entries.map(([name, config]) => [name, settingsOf(config)]));
    if (entries.length === 0) return { [this.#known(mode)?.name ?? mode]: settingsOf(undefined) };
    return settings;
  }

  #known(name: string): NetworkRecord | undefined {
    try {
      return this.#ctx.store.find(name);
    } catch (error) {
      if (error instanceof EngineError) return undefined;
      throw error;
    }
  }

  /**
   * The settings that a container starts with: by the networks' names, with their ids; undefined when they are kept so
   * already. @throws EngineError notFound
   */
  pin(container: Container): { mode: string; networks: Record<string, EndpointSettings> } | undefined {
    const { NetworkMode } = container.record.hostConfig;
    const networks: Record<string, EndpointSettings> = { ...networksOf(container) };
    for (const [key, settings] of askedOf(this.#ctx, container)) {
      delete networks[key];
      const network = networkOf(this.#ctx, key, settings);
      networks[network.name] = pinned(container, network, settings);
    }
    let mode = NetworkMode;
    if (isUserDefined(NetworkMode)) {
      const network = this.#known(NetworkMode);
      if (network && network.name !== NetworkMode) mode = network.id;
    }
    const same =
      mode === NetworkMode && JSON.stringify(networks) === JSON.stringify(container.record.networks);
    return same ? undefined : { mode, networks };
  }

  /**
   * Ahead of `attach`: the namespace that it will wire, as yet without anything that is another's business. What this
   * says, `attach` will say as well, unless the container's networks are others by then. Undefined: it needs none.
   */
  prepare(container: Container): Promise<Attached> | undefined {
    return prepare(this.#ctx, container);
  }

  /** Ahead of `attach`, too: writes those of the files that it would write just the same. */
  prepareFiles(container: Container, files: EtcFiles): void {
    prepareFiles(this.#ctx, container, files);
  }

  /** Whatever of it `attach` has not made its own. */
  dropPrepared(container: Container): Promise<void> {
    return dropPrepared(this.#ctx, container);
  }

  attach(container: Container, files: EtcFiles): Promise<Attached> {
    return attach(this.#ctx, container, files);
  }

  /** Before anybody hears that the container ended. Never rejects. */
  leavePorts(container: Container): Promise<void> {
    return leavePorts(this.#ctx, container);
  }

  /** The container ended; the kernel is cleaned up behind. Never rejects. */
  leave(container: Container): Promise<void> {
    return leave(this.#ctx, container);
  }

  view(container: Container): NetworkSettingsView {
    return networkSettings(this.#ctx, container);
  }

  summary(container: Container): ReturnType<typeof networkSummary> {
    return networkSummary(this.#ctx, container);
  }

  /**
   * The settings that connecting makes; undefined when it is connected already. The network is undefined when there is
   * none of that name: a stopped container may ask for one that comes later.
   */
  planConnect(
    container: Container,
    term: string,
    sent: EndpointConfig | null | undefined,
  ): { network: NetworkRecord | undefined; key: string; settings: EndpointSettings } | undefined {
    const settings = settingsOf(sent);
    const network = this.#known(term);
    if (!network) return { network, key: term, settings };
    if (!checkConnect(this.#ctx, container, network, settings)) return undefined;
    return { network, key: network.name, settings: pinned(container, network, settings) };
  }

  /** @throws EngineError notFound */
  find(term: string): NetworkRecord {
    return this.#ctx.store.find(term);
  }

  requireOwnNamespace(container: Container): void {
    requireOwnNamespace(container);
  }

  connect(
    container: Container,
    network: NetworkRecord,
    settings: EndpointSettings,
    files: EtcFiles,
  ): Promise<void> {
    return connectRunning(this.#ctx, container, network, settings, files);
  }

  disconnect(container: Container, network: NetworkRecord, files: EtcFiles): Promise<void> {
    return disconnectRunning(this.#ctx, container, network, files);
  }

  /** @throws EngineError when a port cannot be had; then all is as it was */
  changePorts(container: Container, changes: PortChanges, row: AskedPorts): Promise<void> {
    return changePorts(this.#ctx, container, changes, row);
  }

  /** What its links add to the environment of each of its processes. @throws EngineError as a start does */
  linkVariables(container: Container): string[] {
    return linkedVariables(this.#ctx, container);
  }

  /** A link of the old kind is no more. */
  unlinked(parent: Container, alias: string): void {
    forgetAlias(this.#ctx, parent, alias);
  }

  /** It has another name. Its settings have the new one already. */
  async renamed(container: Container): Promise<void> {
    const endpoints = this.#ctx.store
      .of(container.id)
      .flatMap((endpoint) => endpointNames(this.#ctx, container, endpoint) ?? []);
    if (endpoints.length > 0) await this.#ctx.names.putNames({ endpoints });
  }

  /** `none`, `host` and `bridge`, as the options have them. */
  ensurePredefined(engineId: string): void {
    ensurePredefined(this.#ctx, engineId);
  }

  restore(engineId: string): Promise<void> {
    return restore(this.#ctx, engineId);
  }

  syncFirewall(): Promise<void> {
    return syncFirewall(this.#ctx);
  }

  close(): Promise<void> {
    return close(this.#ctx);
  }
}
