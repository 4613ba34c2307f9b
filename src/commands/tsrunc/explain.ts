/** `tsrunc explain BUNDLE`: every system call that starting this container will make, in order. */
import { cgroupOf, detectCgroups } from "../../engine/runtime/cgroup-layout.ts";
import { compileContainer } from "../../engine/runtime/container.ts";
import { explainPlan } from "../../engine/runtime/explain.ts";
import type { Verb } from "../tsrunc.ts";
import { type Bundle, withBundle, withHome } from "./bundle.ts";

export const verb: Verb = {
  flags: { bundle: { kind: "value", short: "b" } },
  usage: "[BUNDLE]",
  words: [0, 1],
  async run([path], flags) {
    console.log(await withBundle(path ?? flags.value("bundle"), explain));
    return 0;
  },
};

async function explain({ spec, rootfs }: Bundle): Promise<string> {
  const { compileFilter } = await import("../../engine/runtime/seccomp.ts");
  const process = withHome(spec.process!, rootfs);
  const plan = compileContainer({
    id: "ID",
    spec: { ...spec, process },
    rootfs: { kind: "path", path: rootfs },
    filter: spec.linux?.seccomp && compileFilter(spec.linux.seccomp),
    io: process.terminal ? { kind: "pty", master: "keeper" } : { kind: "inherit" },
    cgroup: cgroupOf(detectCgroups(), spec.linux?.cgroupsPath, "ID"),
  });
  return explainPlan(plan);
}
