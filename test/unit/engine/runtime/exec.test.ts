import { expect, test } from "bun:test";
import { encodePlan } from "../../../../src/engine/runtime/encode.ts";
import { compileExec } from "../../../../src/engine/runtime/exec.ts";
import type { Spec } from "../../../../src/engine/runtime/spec.ts";

const SPEC: Spec = {
  ociVersion: "1.2.0",
  root: { path: "/r" },
  linux: { namespaces: [{ type: "pid" }, { type: "mount" }, { type: "network" }] },
};

const plan = compileExec({
  id: "id",
  spec: SPEC,
  pid: 42,
  process: { cwd: "/", args: ["true"], env: [], selinuxLabel: "guarded" },
  filter: undefined,
  io: { kind: "pipes", stdin: true },
  cgroup: [],
});

test("a process that the container can see has joined everything, and has no fd of the host's but /proc", () => {
  const steps = plan.steps.map((step) => (step.op === "syscall" ? step.name : step.op));
  const [joiner, process] = steps.flatMap((op, at) => (op === "clone" ? [at] : []));
  expect(steps.indexOf("setns")).toBeGreaterThan(joiner!);
  expect(steps.lastIndexOf("setns")).toBeLessThan(process!);
  const closed = steps.indexOf("close_range");
  expect(closed).toBeGreaterThan(steps.lastIndexOf("setns"));
  expect(closed).toBeLessThan(process!);
  // The label is written by itself; the host's /proc is closed with its file open.
  const opened = plan.steps.findIndex(({ label }) => label.startsWith("open the security label"));
  expect(opened).toBeGreaterThan(process!);
  expect(steps.indexOf("close", opened)).toBeLessThan(steps.indexOf("execve"));
});

test("an id that would leave it root is refused", () => {
  const process = { cwd: "/", args: ["true"], user: { uid: 2 ** 32 - 1, gid: 0 } };
  expect(() =>
    compileExec({
      id: "id",
      spec: SPEC,
      pid: 42,
      process,
      filter: undefined,
      io: { kind: "inherit" },
      cgroup: [],
    }),
  ).toThrow("must be in range 0-2147483647");
});

test("it can be carried out on both architectures", () => {
  for (const arch of ["x86_64", "aarch64"] as const)
    expect(encodePlan(plan, { arch }).length).toBeGreaterThan(0);
});
