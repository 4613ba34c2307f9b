/** What operations on execs work with. */

import type { ContainerNetworks } from "../container/context.ts";
import type { Host } from "../container/host.ts";
import type { ContainerStore } from "../container/store.ts";
import type { EventBus } from "../event/bus.ts";
import type { ContainerImages } from "../image/types.ts";
import type { ShimClient } from "../shim/types.ts";
import type { ExecStore } from "./store.ts";

export interface ExecContext {
  execs: ExecStore;
  store: ContainerStore;
  shim: ShimClient;
  images: ContainerImages;
  networks: Pick<ContainerNetworks, "linkVariables">;
  events: EventBus;
  host: Host;
}
