/** What every operation on networks works with. */
import type { Container } from "../container/container.ts";
import type { EventBus } from "../event/bus.ts";
import type { NetworkConfig } from "./config.ts";
import type { EtcFiles } from "./files.ts";
import type { Ipam } from "./ipam/ipam.ts";
import type { NetworkStore } from "./store.ts";
import type { Firewall, NetworkRecord, Ports, SandboxRecord, ShimNetworks, Wiring } from "./types.ts";

export interface NetworkContext {
  store: NetworkStore;
  ipam: Ipam;
  wiring: Wiring;
  firewall: Firewall;
  ports: Ports;
  names: ShimNetworks;
  events: EventBus;
  config: NetworkConfig;
  /** The tmpfs folder of this daemon's that outlives it. */
  execRoot: string;
  /** Networks whose links and rules are made, or being made. */
  made: Map<string, Promise<void>>;
  /** Networks being removed: nothing else may begin. */
  removing: Set<string>;
  /** Ends of endpoints that are still being cleaned up, by container. */
  leaving: Map<string, Promise<void>>;
  /** Containers that run and have links to others in networks of users': they are told of those when they come. */
  linkers: Set<string>;
  /** Of containers that are not started yet: no row claims them, so that they are swept after a crash. */
  prepared: Map<string, SandboxRecord>;
  containers: () => Members;
  /** Where a container's files over /etc are. */
  files: (container: string) => EtcFiles;
  warn: (message: string) => void;
}

/** What networks ask of the container service. */
export interface Members {
  byId(id: string): Container | undefined;
  /** @throws EngineError when there is none, or several, of this name */
  find(nameOrId: string): Container;
  all(): Iterable<Container>;
}

/** A network event, with what Docker says about the network in each. */
export function emit(
  { events }: Pick<NetworkContext, "events">,
  { id, name, driver }: Pick<NetworkRecord, "id" | "name" | "driver">,
  action: string,
  attributes: Record<string, string> = {},
): void {
  events.emit({
    Type: "network",
    Action: action,
    Actor: { ID: id, Attributes: { ...attributes, name, type: driver } },
  });
}

export const isPredefined = (name: string): boolean =>
  name === "bridge" || name === "host" || name === "none" || name === "default";
