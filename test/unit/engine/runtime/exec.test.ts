import { describe, expect, test } from "bun:test";
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

const unified = compileExec({
  id: "id",
  spec: SPEC,
  pid: 42,
  process: { cwd: "/", args: ["true"] },
  filter: undefined,
  io: { kind: "inherit" },
  cgroup: [{ version: 2, controllers: [], mountpoint: "/c", path: "/c/id" }],
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
  const all = steps.flatMap((step) => (step.op === "clone" && step.cgroup !== undefined ? [step] : []));
  // The others are those for a limit that is reached.
  const clones = all.slice(0, 2);
  expect(all.slice(2).map(({ tolerate }) => tolerate)).toEqual(clones.map(({ tolerate }) => tolerate));
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

describe.each([
  ["version 1", inside, "/c/pids/id"],
  ["version 2", unified, "/c/id"],
])("beyond the limit of processes, %s", (_, { steps }, folder) => {
  const begin = steps.findIndex(({ label }) => label === "there is no room for a clone");
  const way = steps.slice(begin).filter(({ op }) => op !== "get" && op !== "put");
  const at = (label: string): number => way.findIndex((step) => step.label === label);

  test("a process stands still from its clone until it has been moved", () => {
    expect(at("hold the process until it is in the container's cgroup")).toBeGreaterThan(0);
    // The joiner clones it, and waits to be traced before.
    expect(at("let the container go on")).toBeGreaterThan(
      at("hold the process until it is in the container's cgroup"),
    );
    expect(at("move the process into the container's cgroup")).toBeGreaterThan(at("let the joiner end"));
    expect(at("let the process go on")).toBeGreaterThan(
      way.findLastIndex(({ label }) => label === "move the process into the container's cgroup"),
    );
    expect(at("wait for the container")).toBeGreaterThan(at("let the process go on"));
    const joiner = way.slice(at("wait for the container"));
    const heard = joiner.findIndex(({ label }) => label === "wait for the first process");
    expect(heard).toBeGreaterThan(0);
    expect(joiner.findIndex(({ op }) => op === "clone")).toBeGreaterThan(heard);
  });

  test("and is in no cgroup before that counts it", () => {
    const text = explainPlan(folder === "/c/id" ? unified : inside);
    expect(text).toContain(folder);
    const cloned = way.filter((step) => step.op === "clone").slice(0, 2);
    expect(cloned.every((step) => !("cgroup" in step))).toBe(folder === "/c/id");
  });
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
    for (const each of [plan, inside, unified]) expect(encodePlan(each, { arch }).length).toBeGreaterThan(0);
});
