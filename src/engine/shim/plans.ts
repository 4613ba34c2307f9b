/** The runtime's plans, made for what the shim is asked. */
import { readFileSync } from "node:fs";
import { EngineError } from "../errors.ts";
import { cgroupOf, detectCgroups } from "../runtime/cgroup-layout.ts";
import { compileContainer } from "../runtime/container.ts";
import { compileExec } from "../runtime/exec.ts";
import type { ProcessIo } from "../runtime/io.ts";
import { type Pidfds, processOfNamespace } from "../runtime/namespaces.ts";
import { forgetVolatile } from "../runtime/overlay.ts";
import { STAGE_FD } from "../runtime/plan.ts";
import type { Spec } from "../runtime/spec.ts";
import type { Compilers } from "./compile.ts";
import { keptFilters } from "./filters.ts";
import { type ContainerPlan, KeptPlans } from "./kept-plans.ts";
import type { Launch } from "./launch-names.ts";
import { SpareNetwork } from "./spare-network.ts";
import type { ContainerIo } from "./types.ts";

export function runtimeCompilers(): Compilers {
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  // Hierarchies do not come and go under a running system.
  const layout = detectCgroups();
  const filterOf = keptFilters();
  const compile = (
    { request, paths, held, bareNetwork }: Launch,
    pidfds: Pidfds = new Map(),
  ): ContainerPlan => {
    const { id, rootfs, io, init, names, ownMounts } = request;
    const spec = request.spec.value;
    const cgroup = cgroupOf(layout, spec.linux?.cgroupsPath, id);
    const plan = compileContainer({
      id,
      spec,
      rootfs,
      filter: filterOf(spec),
      io: processIo(io),
      cgroup,
      // In this order the stage gets them.
      given: { pidfds, ...(bareNetwork && { bareNetwork: STAGE_FD.firstPassed + pidfds.size }) },
      mtab: true,
      init,
      held,
      ...(names && { names }),
      keeper: {
        socket: paths.socket,
        record: paths.exitRecord,
        bootId,
        ...(ownMounts && { holdMounts: true }),
      },
    });
    return {
      plan,
      // What is killed and removed must be the container's alone, whatever path the specification names.
      cgroups: cgroup.map(({ path }) => path).filter((path) => path.includes(id)),
      ownPids: spec.linux?.namespaces?.some(({ type, path }) => type === "pid" && !path) ?? false,
    };
  };
  // Numbers of processes mean others later.
  const kept = new KeptPlans((launch) =>
    joinedPids(launch.request.spec.value).size > 0 ? undefined : compile(launch),
  );
  const networks = new SpareNetwork();
  return {
    container: (request, paths, { pidfdOf, held }) => {
      const { rootfs, spec } = request;
      // Also of the same launch, when a predecessor was killed in the middle of it.
      if (rootfs.kind === "overlay" && rootfs.options?.includes("volatile")) forgetVolatile(rootfs);
      const network = networks.takeFor(spec.text);
      const dispose = (): void => network?.[Symbol.dispose]();
      try {
        const own = network === undefined ? [] : [network.fd];
        const launch = { request, paths, held, bareNetwork: network !== undefined };
        const known = kept.find(launch);
        if (known !== undefined) return { ...known, options: { fds: own }, dispose };
        const { pidfds, fds } = joinedProcesses(spec.value, pidfdOf);
        return { ...compile(launch, pidfds), options: { fds: [...fds, ...own] }, dispose };
      } catch (error) {
        dispose();
        throw error;
      }
    },
    exec: ({ container: id, process, io }, container, { socket, exitRecord }) => {
      const spec = container.spec();
      const { pidfd } = container;
      const plan = compileExec({
        id,
        spec,
        pid: container.record.pid,
        ...(pidfd >= 0 && { pidfd: STAGE_FD.firstPassed }),
        process,
        filter: filterOf(spec),
        io: processIo(io),
        cgroup: cgroupOf(layout, spec.linux?.cgroupsPath, id),
        keeper: { socket, record: exitRecord, bootId },
      });
      return { plan, cgroups: [], ...(pidfd >= 0 && { options: { fds: [pidfd] } }) };
    },
  };
}

const joinedPids = ({ linux }: Spec): Set<number> =>
  new Set(linux?.namespaces?.map(processOfNamespace).filter((pid) => pid !== undefined));

/** Whose namespaces the container joins: by pidfd, since a number may be another's by the time that it is looked at. */
function joinedProcesses(spec: Spec, pidfdOf: (pid: number) => number): { pidfds: Pidfds; fds: number[] } {
  const pids = joinedPids(spec);
  const pidfds = new Map([...pids].map((pid, i) => [pid, STAGE_FD.firstPassed + i]));
  const fds = [...pids].map((pid) => {
    const pidfd = pidfdOf(pid);
    if (pidfd < 0)
      throw new EngineError("conflict", `cannot join the namespaces of process ${pid}: it is not running`);
    return pidfd;
  });
  return { pidfds, fds };
}

const processIo = (io: ContainerIo): ProcessIo =>
  io.kind === "pipes"
    ? { kind: "pipes", stdin: io.stdin }
    : { kind: "pty", cols: io.cols, rows: io.rows, master: "keeper" };
