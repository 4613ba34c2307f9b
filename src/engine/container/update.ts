/** POST /containers/NAME/update: other limits for a container, running or not. */
import { EngineError } from "../errors.ts";
import { reasonOf } from "../reason.ts";
import { cgroupOf, detectCgroups } from "../runtime/cgroup-layout.ts";
import { updateCgroup } from "../runtime/cgroup-update.ts";
import type { CreateBody, HostConfig } from "./config.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, emit } from "./context.ts";
import { normalizeHostConfig } from "./normalize.ts";
import { hasEnded } from "./process.ts";
import { cgroupsPathOf } from "./spec.ts";
import { specResources } from "./spec-resources.ts";
import { isRunning } from "./state.ts";
import { refuseUnsupportedUpdate } from "./unsupported.ts";
import { validateRestartPolicy } from "./validate.ts";
import { validateResources } from "./validate-resources.ts";

const UNLIMITED = -1;

type Sent = NonNullable<CreateBody["HostConfig"]> & PublishChanges;

/** Not Docker's: ports of a container change as its limits do, while it runs. */
export interface PublishChanges {
  PublishAdd?: HostConfig["PortBindings"] | null;
  PublishRm?: HostConfig["PortBindings"] | null;
}

/** Fields that can be changed; zero, empty and null mean "as it is". */
const CHANGEABLE = [
  "CpuShares",
  "NanoCpus",
  "CpuPeriod",
  "CpuQuota",
  "CpusetCpus",
  "CpusetMems",
  "Memory",
  "MemorySwap",
  "MemoryReservation",
  "BlkioWeight",
  "BlkioWeightDevice",
  "BlkioDeviceReadBps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteIOps",
] as const satisfies readonly (keyof HostConfig)[];

const conflict = (message: string): EngineError => new EngineError("conflict", message);

/** Processor time is said in one of two ways, and a container that has one cannot be given the other. */
function checkConflicts(asked: HostConfig, has: HostConfig): void {
  const options = "Conflicting options:";
  if (asked.NanoCpus > 0 && has.CpuPeriod > 0)
    throw conflict(`${options} Nano CPUs cannot be updated as CPU Period has already been set`);
  if (asked.NanoCpus > 0 && has.CpuQuota > 0)
    throw conflict(`${options} Nano CPUs cannot be updated as CPU Quota has already been set`);
  if (asked.CpuPeriod > 0 && has.NanoCpus > 0)
    throw conflict(`${options} CPU Period cannot be updated as NanoCPUs has already been set`);
  if (asked.CpuQuota > 0 && has.NanoCpus > 0)
    throw conflict(`${options} CPU Quota cannot be updated as NanoCPUs has already been set`);
  if (asked.Memory !== 0 && asked.Memory > has.MemorySwap && asked.MemorySwap === 0) {
    throw conflict(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  }
}

/** The host configuration as it will be. */
function merged(asked: HostConfig, has: HostConfig, pids: number | null | undefined): HostConfig {
  const changes = CHANGEABLE.filter(
    (field) => asked[field] !== 0 && asked[field] !== "" && asked[field] !== null,
  );
  return {
    ...has,
    ...Object.fromEntries(changes.map((field) => [field, asked[field]])),
    ...(pids != null && { PidsLimit: Math.max(pids, 0) }),
  };
}

/** What a running container has to be told: of what is counted together, all of it. */
function toWrite(asked: HostConfig, next: HostConfig, pids: number | null | undefined): HostConfig {
  const memory = asked.Memory !== 0 || asked.MemorySwap !== 0;
  const { Memory, MemorySwap } = next;
  return {
    ...asked,
    ...(memory && { Memory, MemorySwap }),
    PidsLimit: pids == null ? null : pids > 0 ? pids : UNLIMITED,
  };
}

async function change(
  ctx: ContainerContext,
  container: Container,
  asked: HostConfig,
  sent: Sent,
): Promise<void> {
  const { id, record } = container;
  if (container.removing || container.state.status === "dead")
    throw new EngineError("internal", 'container is marked for removal and cannot be "update"');
  const has = record.hostConfig;
  checkConflicts(asked, has);
  if (has.AutoRemove && asked.RestartPolicy.Name !== "no") {
    throw conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
  }
  const next = merged(asked, has, sent.PidsLimit);
  const add = sent.PublishAdd ?? {};
  const remove = sent.PublishRm ?? {};
  const limit = (limits: HostConfig): void => {
    if (!isRunning(container.state)) return;
    try {
      updateCgroup(cgroupOf(detectCgroups(), cgroupsPathOf(id, has), id), specResources(limits));
    } catch (error) {
      // Its end is not written yet: the next start has the new limits, as of any that does not run.
      if (!hasEnded(container)) throw error;
    }
  };
  const write = (PortBindings: HostConfig["PortBindings"]): void => {
    limit(toWrite(asked, next, sent.PidsLimit));
    ctx.store.setRecord(container, { ...record, hostConfig: { ...next, PortBindings } });
  };
  if (Object.keys({ ...add, ...remove }).length === 0) return write(has.PortBindings);
  // What others may have comes first: if it fails, nothing has changed.
  await ctx.networks.changePorts(
    container,
    { add, remove },
    {
      write,
      revert() {
        if (container.record === record) return;
        ctx.store.setRecord(container, record);
        try {
          limit(has);
        } catch {
          // The ports come first.
        }
      },
    },
  );
}

/** `body` is the flat object of the request. */
export async function update(
  ctx: ContainerContext,
  name: string,
  sent: Sent,
): Promise<{ Warnings: string[] | null }> {
  const asked = normalizeHostConfig(sent);
  let warnings: string[];
  try {
    validateRestartPolicy(asked.RestartPolicy);
    warnings = validateResources(asked, ctx.host, { update: true });
    // Docker checks a host configuration, and this one has no network mode.
    if (!ctx.host.ipv4Forwarding) warnings.push("IPv4 forwarding is disabled. Networking will not work.");
  } catch (error) {
    throw new EngineError("invalid", (error as Error).message, { cause: error });
  }
  refuseUnsupportedUpdate(asked);
  const container = ctx.store.find(name);
  await container.exclusive(async () => {
    try {
      await change(ctx, container, asked, sent);
    } catch (error) {
      const kind = error instanceof EngineError ? error.kind : "internal";
      throw new EngineError(kind, `Cannot update container ${container.id}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
    emit(ctx, container, "update");
  });
  return { Warnings: warnings.length > 0 ? warnings : null };
}
