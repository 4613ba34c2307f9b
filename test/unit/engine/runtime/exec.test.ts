import { expect, test } from "bun:test";
import { encodePlan } from "../../../../src/engine/runtime/encode.ts";
import { compileExec } from "../../../../src/engine/runtime/exec.ts";
import { explainPlan } from "../../../../src/engine/runtime/explain.ts";
import type { Spec } from "../../../../src/engine/runtime/spec.ts";
import { ERRNO } from "../../../../src/ffi/errno.ts";

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

const inside = compileExec({
  id: "id",
  spec: SPEC,
  pid: 42,
  process: { cwd: "/", args: ["true"] },
  filter: undefined,
  io: { kind: "inherit" },
  cgroup: [
    { version: 1, controllers: ["pids"], mountpoint: "/c/pids", path: "/c/pids/id" },
    { version: 2, controllers: [], mountpoint: "/c/unified", root: "/docker", path: "/c/unified/id" },
  ],
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

test("where the container's cgroup takes no process, it is cloned into that of the first one, if that is below", () => {
  const { steps } = inside;
  const clones = steps.flatMap((step) => (step.op === "clone" && step.cgroup !== undefined ? [step] : []));
  expect(clones.map(({ child, process, tolerate }) => [child.name, process, tolerate])).toEqual([
    ["the joiner", 1, [ERRNO.EBUSY]],
    ["the joiner", 1, undefined],
  ]);
  expect(clones[0]!.cgroup).not.toBe(clones[1]!.cgroup);
  const text = explainPlan(inside);
  expect(text).toContain('openat(AT_FDCWD, "/proc/42/cgroup"');
  expect(text).toContain('find what follows "0::/docker/id/" in its cgroups');
  expect(text).toMatch(/openat2\(\d+, path below the cgroup, \{.*RESOLVE_BENEATH/);
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
    for (const each of [plan, inside]) expect(encodePlan(each, { arch }).length).toBeGreaterThan(0);
});
