/** The runtime's plans, made for what the shim is asked. */
import { readFileSync } from "node:fs";
import { cgroupOf, detectCgroups } from "../runtime/cgroup-layout.ts";
import { compileContainer } from "../runtime/container.ts";
import { compileExec } from "../runtime/exec.ts";
import type { ProcessIo } from "../runtime/io.ts";
import type { Compilers } from "./compile.ts";
import type { ContainerIo } from "./types.ts";

export function runtimeCompilers(): Compilers {
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  // Hierarchies do not come and go under a running system.
  const layout = detectCgroups();
  return {
    container: ({ id, spec, rootfs, io, init }, { socket, exitRecord }) => {
      const cgroup = cgroupOf(layout, spec.linux?.cgroupsPath, id);
      const plan = compileContainer({
        id,
        spec,
        rootfs,
        io: processIo(io),
        cgroup,
        init,
        keeper: { socket, record: exitRecord, bootId },
      });
      // What is killed and removed must be the container's alone, whatever path the specification names.
      return { plan, cgroups: cgroup.map(({ path }) => path).filter((path) => path.includes(id)) };
    },
    exec: ({ container: id, process, io }, container, { socket, exitRecord }) => {
      const spec = container.spec();
      const plan = compileExec({
        id,
        spec,
        pid: container.record.pid,
        process,
        io: processIo(io),
        cgroup: cgroupOf(layout, spec.linux?.cgroupsPath, id),
        keeper: { socket, record: exitRecord, bootId },
      });
      return { plan, cgroups: [] };
    },
  };
}

const processIo = (io: ContainerIo): ProcessIo =>
  io.kind === "pipes"
    ? { kind: "pipes", stdin: io.stdin }
    : { kind: "pty", cols: io.cols, rows: io.rows, master: "keeper" };
