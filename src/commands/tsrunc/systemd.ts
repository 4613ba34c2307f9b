/** `--systemd-cgroup`: the container's cgroup is a scope of systemd's, which is told of the limits that are written. */

import { Variant } from "../../engine/dbus/values.ts";
import { EngineError } from "../../engine/errors.ts";
import { type Cgroup, cgroupOf, detectCgroups, isUnified } from "../../engine/runtime/cgroup-layout.ts";
import { updateCgroup } from "../../engine/runtime/cgroup-update.ts";
import { flags, type Plan, PlanBuilder, STAGE_FD } from "../../engine/runtime/plan.ts";
import type { Resources, Spec } from "../../engine/runtime/spec.ts";
import { type Stage, startStage } from "../../engine/runtime/stage.ts";
import { killCgroups, processesOf, removeCgroups } from "../../engine/shim/cgroup.ts";
import { annotatedProperties } from "../../engine/systemd/annotations.ts";
import { Systemd } from "../../engine/systemd/manager.ts";
import {
  asksForVersion,
  deviceProperties,
  type Property,
  resourceProperties,
  roundedResources,
  startProperties,
} from "../../engine/systemd/properties.ts";
import { type Scope, scopeOf } from "../../engine/systemd/unit.ts";
import { closeFd } from "../../ffi/libc.ts";
import { PR } from "../../ffi/process.ts";

/** By what resources are put into properties: systemd is asked for its version only where that matters. */
async function optionsOf(systemd: Systemd, cgroup: Cgroup, resources: Resources) {
  const version: 1 | 2 = isUnified(cgroup) ? 2 : 1;
  return { version, systemd: asksForVersion(resources) ? await systemd.version() : 0 };
}

const text = (value: string): Variant => new Variant("s", value);
const yes = new Variant("b", true);

/**
 * A scope is made of processes that run, and ends with the last of them: one of ours holds it until the container's is
 * in it.
 */
export class HeldScope {
  readonly cgroup: Cgroup;
  /** To start the container by: its limits are those that systemd will write. */
  readonly spec: Spec;
  readonly #id: string;
  readonly #scope: Scope;
  readonly #resources: Resources;
  #holder: Stage | undefined;

  /** @throws EngineError for a path that is none */
  constructor(id: string, spec: Spec) {
    this.#id = id;
    this.#scope = scopeOf(spec.linux?.cgroupsPath, id);
    this.#resources = roundedResources(spec.linux?.resources ?? {});
    this.cgroup = cgroupOf(detectCgroups(), this.#scope.path, id).map((folder) => ({
      ...folder,
      unit: this.#scope.name,
    }));
    this.spec = { ...spec, linux: { ...spec.linux, resources: this.#whileHeld } };
  }

  /** The holder counts: beside it a limit of one would be none. */
  get #whileHeld(): Resources {
    return this.#resources.pids?.limit === 1 ? { ...this.#resources, pids: { limit: 2 } } : this.#resources;
  }

  /** @throws Error when systemd does not make it, or is not there: then nothing of it is left */
  async start(): Promise<void> {
    using systemd = await Systemd.open();
    const options = await optionsOf(systemd, this.cgroup, this.#resources);
    this.#holder = startStage(holdPlan(), { control: true });
    const { name, slice } = this.#scope;
    try {
      await systemd.startScope(name, [
        ["Description", text(`tsrunc container ${this.#id}`)],
        ["Slice", text(slice)],
        ["Delegate", yes],
        ["PIDs", new Variant("au", [this.#holder.pid])],
        ["DefaultDependencies", new Variant("b", false)],
        ...accounting(options.version),
        ...annotatedProperties(this.spec.annotations),
        ...startProperties(this.#resources, options),
        ...deviceProperties(this.#resources.devices),
        ...resourceProperties(this.#whileHeld, options),
      ]);
    } catch (error) {
      await this.letGo();
      throw error;
    }
  }

  /** The container is in it. */
  async release(): Promise<void> {
    await this.letGo();
    if (this.#resources.pids?.limit !== 1) return;
    try {
      await updateScope(this.cgroup, { pids: { limit: 1 } });
    } catch (error) {
      // It has ended already, and its scope with it.
      if (processesOf(this.cgroup.map(({ path }) => path)).length > 0) throw error;
    }
  }

  /** Without a container in it, the scope ends with this. */
  async letGo(): Promise<void> {
    const holder = this.#holder;
    if (!holder) return;
    this.#holder = undefined;
    closeFd(holder.control);
    // Whatever became of it.
    await holder.done.catch(() => {});
  }
}

/** systemd takes a unit's share of a machine only where it counts it. */
const accounting = (of: 1 | 2): Property[] =>
  ["CPU", "Memory", "Tasks", of === 2 ? "IO" : "BlockIO"].map((what) => [`${what}Accounting`, yes]);

/** Does nothing until our end of its socket is closed, be it by our own end. */
function holdPlan(): Plan {
  const plan = new PlanBuilder();
  const byte = plan.space(1, "nothing");
  plan.call("prctl", [flags(PR, "PR_SET_NAME"), plan.string("ts-scope"), 0, 0, 0], {
    label: "name the process",
  });
  plan.call("read", [STAGE_FD.control, byte, 1], { label: "hold the scope", tolerate: "all" });
  plan.call("exit_group", [0], { label: "let the scope go" });
  return plan.build();
}

/** Tells systemd first: what is written then holds, whenever systemd comes to write it. */
export async function updateScope(cgroup: Cgroup, resources: Resources): Promise<void> {
  const rounded = roundedResources(resources);
  using systemd = await Systemd.open();
  const options = await optionsOf(systemd, cgroup, rounded);
  await systemd.setProperties(cgroup[0]?.unit ?? "", resourceProperties(rounded, options));
  updateCgroup(cgroup, rounded);
}

/** Ends what still runs in it. */
export async function removeScope(cgroup: Cgroup, unit: string): Promise<void> {
  const folders = cgroup.map(({ path }) => path);
  await killCgroups(folders);
  try {
    using systemd = await Systemd.open();
    await systemd.stop(unit);
  } catch (error) {
    // It is empty, and ends without us, too.
    if (!(error instanceof EngineError && error.kind === "unavailable")) throw error;
  } finally {
    // Of version 1, systemd knows not all of them.
    await removeCgroups(folders);
  }
}
