/** `tsrunc explain BUNDLE`: every system call that starting this container will make, in order. */
import { cgroupOf, detectCgroups } from "../../engine/runtime/cgroup-layout.ts";
import { compileContainer } from "../../engine/runtime/container.ts";
import { explainPlan } from "../../engine/runtime/explain.ts";
import type { Verb } from "../tsrunc.ts";
import { readBundle, withHome } from "./bundle.ts";

export const verb: Verb = {
  flags: { bundle: { kind: "value", short: "b" } },
  usage: "[BUNDLE]",
  words: [0, 1],
  async run([path], flags) {
    const { compileFilter } = await import("../../engine/runtime/seccomp.ts");
    const bundle = readBundle(path ?? flags.value("bundle"));
    const { spec, rootfs } = bundle;
    const process = withHome(spec.process!, rootfs);
    const plan = compileContainer({
      id: "ID",
      spec: { ...spec, process },
      rootfs: { kind: "path", path: rootfs },
      filter: spec.linux?.seccomp && compileFilter(spec.linux.seccomp),
      io: process.terminal ? { kind: "pty", master: "keeper" } : { kind: "inherit" },
      cgroup: cgroupOf(detectCgroups(), spec.linux?.cgroupsPath, "ID"),
    });
    console.log(explainPlan(plan));
    return 0;
  },
};
